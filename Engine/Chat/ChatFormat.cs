using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Chat;

/// <summary>
/// Turns conversations into token ids as Llama 4 was trained: a message is
/// <c>&lt;|header_start|&gt;</c> role <c>&lt;|header_end|&gt;</c>, two line feeds, content and terminator. Text is
/// neither trimmed nor searched for control tokens. Immutable; any number of threads may use one instance.
/// </summary>
internal sealed class ChatFormat
{
    private readonly Llama4Tokenizer _tokenizer;
    private readonly int _headerStart;
    private readonly int _headerEnd;
    private readonly int _endOfTurn;
    private readonly int _endOfMessage;
    private readonly ImageTokens? _imageTokens;

    /// <summary>Looks the control tokens up.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="tokensPerTile">Patch tokens of an image tile: 144 for the published models.</param>
    /// <exception cref="ArgumentException">The tokenizer lacks a control token. One without the tokens of images serves for text.</exception>
    /// <exception cref="ArgumentOutOfRangeException">tokensPerTile is not positive.</exception>
    public ChatFormat(Llama4Tokenizer tokenizer, int tokensPerTile = VisionConfig.PublishedTokensPerTile)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _tokenizer = tokenizer;
        _imageTokens = ImageTokens.AreIn(tokenizer) ? new ImageTokens(tokenizer, tokensPerTile) : null;
        _headerStart = SpecialIds.Of(tokenizer, Llama4SpecialTokens.HeaderStart);
        _headerEnd = SpecialIds.Of(tokenizer, Llama4SpecialTokens.HeaderEnd);
        _endOfTurn = SpecialIds.Of(tokenizer, Llama4SpecialTokens.EndOfTurn);
        _endOfMessage = SpecialIds.Of(tokenizer, Llama4SpecialTokens.EndOfMessage);
    }

    /// <summary>The token runs of images.</summary>
    /// <exception cref="InvalidOperationException">The tokenizer lacks the tokens of images.</exception>
    public ImageTokens ImageTokens => _imageTokens ?? throw new InvalidOperationException("The tokenizer lacks the tokens of images: it takes text only.");

    /// <summary>A prompt to be put together: it has <c>&lt;|begin_of_text|&gt;</c>, and takes pictures if the tokenizer does.</summary>
    public PromptBuilder Begin()
    {
        var prompt = new PromptBuilder(_imageTokens);
        prompt.Add(_tokenizer.BosId);
        return prompt;
    }

    /// <summary>
    /// The prompt of a conversation: <c>&lt;|begin_of_text|&gt;</c>, the messages, and an open assistant header for the
    /// model to answer after. No system prompt is added.
    /// </summary>
    /// <param name="messages">The messages, possibly none.</param>
    /// <exception cref="ArgumentException">A message other than the assistant's has tool calls, or a role is unknown.</exception>
    public Prompt EncodePrompt(IReadOnlyList<ChatMessage> messages) => EncodePrompt(messages, ToolPromptFormat.Json);

    /// <inheritdoc cref="EncodePrompt(IReadOnlyList{ChatMessage})"/>
    /// <param name="messages">The messages, possibly none.</param>
    /// <param name="format">How past tool calls are written.</param>
    /// <exception cref="ArgumentException">
    /// A message other than the assistant's has tool calls, a call does not suit the format, a role or format is
    /// unknown, or an image has no tiles.
    /// </exception>
    public Prompt EncodePrompt(IReadOnlyList<ChatMessage> messages, ToolPromptFormat format)
    {
        ArgumentNullException.ThrowIfNull(messages);
        PromptBuilder prompt = Begin();
        foreach (ChatMessage message in messages)
        {
            AppendMessage(prompt, message, format);
        }
        AppendHeader(prompt, ChatRole.Assistant);
        return prompt.Build();
    }

    /// <summary>Appends one whole message, for callers that extend a conversation.</summary>
    /// <param name="prompt">Receives the message; unchanged after an error.</param>
    /// <param name="message">The message.</param>
    /// <param name="format">How past tool calls are written.</param>
    /// <exception cref="ArgumentException">As for <see cref="EncodePrompt(IReadOnlyList{ChatMessage}, ToolPromptFormat)"/>.</exception>
    public void AppendMessage(PromptBuilder prompt, ChatMessage message, ToolPromptFormat format = ToolPromptFormat.Json)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(message);
        IReadOnlyList<ToolCall> calls = message.ToolCalls;
        if (calls.Count > 0 && message.Role != ChatRole.Assistant)
        {
            throw new ArgumentException($"A {message.Role} message has tool calls; only the assistant can call.", nameof(message));
        }
        (int, int) before = prompt.State;
        try
        {
            AppendHeader(prompt, message.Role);
            AppendContent(prompt, message.Content);
            foreach (ToolCall call in calls)
            {
                prompt.Add(_tokenizer, ToolCallWriter.Write(call, format));
            }
        }
        catch
        {
            prompt.Restore(before);
            throw;
        }
        bool goesOn = message.Role switch
        {
            ChatRole.Tool => true,
            ChatRole.Assistant => calls.Count > 0 || message.FinishReason == FinishReason.EndOfMessage,
            _ => false,
        };
        AppendEnd(prompt, goesOn);
    }

    /// <summary>Appends the header that opens a message.</summary>
    /// <param name="prompt">Receives the header.</param>
    /// <param name="role">Who speaks.</param>
    /// <exception cref="ArgumentOutOfRangeException">The role is unknown.</exception>
    public void AppendHeader(PromptBuilder prompt, ChatRole role)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        string name = role switch
        {
            ChatRole.System => "system",
            ChatRole.User => "user",
            ChatRole.Assistant => "assistant",
            ChatRole.Tool => "ipython",
            _ => throw new ArgumentOutOfRangeException(nameof(role), role, "Unknown role."),
        };
        prompt.Add(_headerStart);
        prompt.Add(_tokenizer, name);
        prompt.Add(_headerEnd);
        prompt.Add(_tokenizer, "\n\n");
    }

    /// <summary>Ends a message: the turn goes on, or is over.</summary>
    public void AppendEnd(PromptBuilder prompt, bool goesOn) => prompt.Add(goesOn ? _endOfMessage : _endOfTurn);

    /// <summary>The prompt of a base model, which continues text: <c>&lt;|begin_of_text|&gt;</c> and the content.</summary>
    /// <param name="content">Texts and images in order.</param>
    /// <exception cref="ArgumentException">An image has no tiles.</exception>
    public Prompt EncodeCompletion(IReadOnlyList<ChatContent> content)
    {
        ArgumentNullException.ThrowIfNull(content);
        PromptBuilder prompt = Begin();
        AppendContent(prompt, content);
        return prompt.Build();
    }

    private void AppendContent(PromptBuilder prompt, IReadOnlyList<ChatContent> content)
    {
        foreach (ChatContent part in content)
        {
            switch (part)
            {
                case TextContent text:
                    prompt.Add(_tokenizer, text.Text);
                    break;
                case ImageContent image:
                    prompt.Add(image);
                    break;
                default:
                    throw new ArgumentException("A part of the content is null.", nameof(content));
            }
        }
    }
}
