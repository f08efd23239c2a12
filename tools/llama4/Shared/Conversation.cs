using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
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
    private readonly List<int> _ids;
    private readonly List<PreprocessedImage> _images = [];

    public Conversation(Llama4Model model)
    {
        _model = model;
        _ids = [model.Tokenizer.BosId];
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

    public void Add(ChatRole role, string text, StopReason? reason = null) => Add(role, [new TextContent(text)], reason);

    /// <summary>Adds a message; its pictures are <see cref="ImageContent"/> whose tag is the <see cref="PreprocessedImage"/>.</summary>
    public void Add(ChatRole role, IReadOnlyList<ChatContent> content, StopReason? reason = null)
    {
        _model.Chat.AppendMessage(_ids, new ChatMessage(role, content, null, reason));
        _images.AddRange(content.OfType<ImageContent>().Select(image => (PreprocessedImage)image.Tag!));
    }

    public static ImageContent Part(PreprocessedImage image) => new(image.Rows, image.Columns, image);

    /// <summary>Opens the model's answer and returns the prompt for it.</summary>
    public Prompt Open()
    {
        _model.Chat.AppendHeader(_ids, ChatRole.Assistant);
        return new Prompt([.. _ids], [.. _images]);
    }

    /// <summary>Ends the open answer with the ids the model gave; an answer that was cut gets its terminator.</summary>
    public void Close(IReadOnlyList<int> answer)
    {
        _ids.AddRange(answer);
        if (answer.Count == 0 || !_model.Chat.StopIds.Contains(answer[^1]))
        {
            _ids.Add(_model.Tokenizer.SpecialTokens["<|eot|>"]);
        }
    }
}
