using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Images;
using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Cli.Shared;

/// <summary>
/// A conversation as token ids and pictures. Answers are kept as the ids the model gave, so that the cache of the last
/// turn serves the next one.
/// </summary>
internal sealed class Conversation
{
    private readonly Llama4Model _model;
    private readonly PromptBuilder _prompt;

    public Conversation(Llama4Model model)
    {
        _model = model;
        _prompt = model.Chat.Begin();
    }

    /// <summary>Decodes a picture and cuts it as the model wants it.</summary>
    public static PreprocessedImage Picture(Llama4Model model, string path)
    {
        if (!model.HasVision)
        {
            throw new ArgumentException($"{path}: the model has no vision tower and cannot take pictures.");
        }
        return ImagePreprocessor.Process(ImageDecoder.Decode(path), model.ImageOptions);
    }

    public void Add(ChatRole role, string text, FinishReason? reason = null) => Add(role, [new TextContent(text)], reason);

    /// <summary>Adds a message.</summary>
    public void Add(ChatRole role, IReadOnlyList<ChatContent> content, FinishReason? reason = null)
    {
        _model.Chat.AppendMessage(_prompt, new ChatMessage(role, content, null, reason));
    }

    /// <summary>Opens the model's answer and returns the prompt for it.</summary>
    public Prompt Open()
    {
        _model.Chat.AppendHeader(_prompt, ChatRole.Assistant);
        return _prompt.Build();
    }

    /// <summary>Ends the open answer with the ids the model gave; an answer that was cut gets its terminator.</summary>
    public void Close(IReadOnlyList<int> answer)
    {
        _prompt.Add([.. answer]);
        if (answer.Count == 0 || !_model.StopIds.Contains(answer[^1]))
        {
            _prompt.Add(_model.Tokenizer.SpecialTokens["<|eot|>"]);
        }
    }
}
