using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Chat;

/// <summary>
/// Turns conversations into token ids as Llama 4 was trained: a message is
/// <c>&lt;|header_start|&gt;</c> role <c>&lt;|header_end|&gt;</c>, two line feeds, content and terminator. Text is
/// neither trimmed nor searched for control tokens. Immutable; any number of threads may use one instance.
/// </summary>
public sealed class ChatFormat
{
    private readonly Llama4Tokenizer tokenizer;
    private readonly int headerStart;
    private readonly int headerEnd;
    private readonly int endOfTurn;
    private readonly int endOfMessage;
    private readonly ImageTokens? imageTokens;

    /// <summary>Looks the control tokens up.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="tokensPerTile">Patch tokens of an image tile: 144 for the published models.</param>
    /// <exception cref="ArgumentException">The tokenizer lacks a control token. One without the tokens of images serves for text.</exception>
    /// <exception cref="ArgumentOutOfRangeException">tokensPerTile is not positive.</exception>
    public ChatFormat(Llama4Tokenizer tokenizer, int tokensPerTile = 144)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        this.tokenizer = tokenizer;
        imageTokens = ImageTokens.AreIn(tokenizer) ? new ImageTokens(tokenizer, tokensPerTile) : null;
        headerStart = SpecialIds.Of(tokenizer, Llama4SpecialTokens.HeaderStart);
        headerEnd = SpecialIds.Of(tokenizer, Llama4SpecialTokens.HeaderEnd);
        endOfTurn = SpecialIds.Of(tokenizer, Llama4SpecialTokens.EndOfTurn);
        endOfMessage = SpecialIds.Of(tokenizer, Llama4SpecialTokens.EndOfMessage);
        StopIds = [SpecialIds.Of(tokenizer, Llama4SpecialTokens.EndOfText), endOfMessage, endOfTurn];
    }

    /// <summary>The token runs of images.</summary>
    /// <exception cref="InvalidOperationException">The tokenizer lacks the tokens of images.</exception>
    public ImageTokens ImageTokens => imageTokens ?? throw new InvalidOperationException("The tokenizer lacks the tokens of images: it takes text only.");

    /// <summary>The ids that end an answer: end_of_text, eom, eot.</summary>
    public IReadOnlyList<int> StopIds { get; }

    /// <summary>
    /// The prompt of a conversation: <c>&lt;|begin_of_text|&gt;</c>, the messages, and an open assistant header for the
    /// model to answer after. No system prompt is added.
    /// </summary>
    /// <param name="messages">The messages, possibly none.</param>
    /// <param name="format">How past tool calls are written.</param>
    /// <returns>The ids.</returns>
    /// <exception cref="ArgumentException">
    /// A message other than the assistant's has tool calls, a call does not suit the format, a role or format is
    /// unknown, or an image has no tiles.
    /// </exception>
    public int[] EncodePrompt(IReadOnlyList<ChatMessage> messages, ToolPromptFormat format = ToolPromptFormat.Json)
    {
        ArgumentNullException.ThrowIfNull(messages);
        List<int> ids = [tokenizer.BosId];
        foreach (ChatMessage message in messages)
        {
            AppendMessage(ids, message, format);
        }
        AppendHeader(ids, ChatRole.Assistant);
        return [.. ids];
    }

    /// <summary>Appends one whole message, for callers that extend a conversation whose ids they keep.</summary>
    /// <param name="ids">Receives the ids.</param>
    /// <param name="message">The message.</param>
    /// <param name="format">How past tool calls are written.</param>
    /// <exception cref="ArgumentException">As for <see cref="EncodePrompt"/>.</exception>
    public void AppendMessage(List<int> ids, ChatMessage message, ToolPromptFormat format = ToolPromptFormat.Json)
    {
        ArgumentNullException.ThrowIfNull(ids);
        ArgumentNullException.ThrowIfNull(message);
        IReadOnlyList<ToolCall> calls = message.ToolCalls ?? [];
        if (calls.Count > 0 && message.Role != ChatRole.Assistant)
        {
            throw new ArgumentException($"A {message.Role} message has tool calls; only the assistant can call.", nameof(message));
        }
        AppendHeader(ids, message.Role);
        AppendContent(ids, message.Content);
        foreach (ToolCall call in calls)
        {
            tokenizer.EncodeInto(ToolCallWriter.Write(call, format), ids);
        }
        bool goesOn = message.Role switch
        {
            ChatRole.Tool => true,
            ChatRole.Assistant => calls.Count > 0 || message.StopReason == StopReason.EndOfMessage,
            _ => false,
        };
        ids.Add(goesOn ? endOfMessage : endOfTurn);
    }

    /// <summary>Appends the header that opens a message.</summary>
    /// <param name="ids">Receives the ids.</param>
    /// <param name="role">Who speaks.</param>
    /// <exception cref="ArgumentOutOfRangeException">The role is unknown.</exception>
    public void AppendHeader(List<int> ids, ChatRole role)
    {
        ArgumentNullException.ThrowIfNull(ids);
        string name = role switch
        {
            ChatRole.System => "system",
            ChatRole.User => "user",
            ChatRole.Assistant => "assistant",
            ChatRole.Tool => "ipython",
            _ => throw new ArgumentOutOfRangeException(nameof(role), role, "Unknown role."),
        };
        ids.Add(headerStart);
        tokenizer.EncodeInto(name, ids);
        ids.Add(headerEnd);
        tokenizer.EncodeInto("\n\n", ids);
    }

    /// <summary>The prompt of a base model, which continues text: <c>&lt;|begin_of_text|&gt;</c> and the content.</summary>
    /// <param name="content">Texts and images in order.</param>
    /// <returns>The ids.</returns>
    /// <exception cref="ArgumentException">An image has no tiles.</exception>
    public int[] EncodeCompletion(IReadOnlyList<ChatContent> content)
    {
        ArgumentNullException.ThrowIfNull(content);
        List<int> ids = [tokenizer.BosId];
        AppendContent(ids, content);
        return [.. ids];
    }

    private void AppendContent(List<int> ids, IReadOnlyList<ChatContent> content)
    {
        foreach (ChatContent part in content)
        {
            switch (part)
            {
                case TextContent text:
                    tokenizer.EncodeInto(text.Text, ids);
                    break;
                case ImageContent image:
                    if (imageTokens is null)
                    {
                        throw new ArgumentException("The message has a picture, but the tokenizer lacks the tokens of images.", nameof(content));
                    }
                    imageTokens.Append(ids, image.Rows, image.Columns);
                    break;
                default:
                    throw new ArgumentException("A part of the content is null.", nameof(content));
            }
        }
    }
}
