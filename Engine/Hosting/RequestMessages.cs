using Llama4Kernels.Engine.Model;
using Microsoft.Extensions.AI;
using EngineContent = Llama4Kernels.Engine.Chat.ChatContent;
using EngineMessage = Llama4Kernels.Engine.Chat.ChatMessage;
using EngineRole = Llama4Kernels.Engine.Chat.ChatRole;
using EngineText = Llama4Kernels.Engine.Chat.TextContent;
using ToolCall = Llama4Kernels.Engine.Chat.ToolCall;

namespace Llama4Kernels.Hosting;

/// <summary>
/// Turns the messages of a request into those of a conversation. The model knows no ids of calls: results follow their calls, in the
/// calls' order, whatever order they come in. One request, one use.
/// </summary>
internal sealed class RequestMessages(Llama4Model model, IPictureFetcher? pictures)
{
    private readonly List<EngineMessage> _messages = [];
    private string[] _calls = [];
    private EngineMessage?[] _results = [];

    /// <summary>All messages, in their order.</summary>
    /// <param name="messages">What a client was given.</param>
    /// <param name="cancellation">Stops the fetching of pictures.</param>
    /// <exception cref="ArgumentException">The messages are no conversation to answer: a call lacks its result, a result its call, or nobody asks.</exception>
    /// <exception cref="UnsupportedRequestException">A role or a content that the model cannot be given.</exception>
    public async Task<IReadOnlyList<EngineMessage>> ReadAsync(IEnumerable<ChatMessage> messages, CancellationToken cancellation)
    {
        foreach (ChatMessage message in messages)
        {
            if (message is null)
            {
                throw Wrong("A message is null.");
            }
            if (message.Role == ChatRole.Tool)
            {
                AddResults(message);
                continue;
            }
            CheckResults();
            _messages.Add(message switch
            {
                _ when message.Role == ChatRole.System => new EngineMessage(EngineRole.System, Texts(message, message.Contents)),
                _ when message.Role == ChatRole.User => new EngineMessage(EngineRole.User, await PartsAsync(message, cancellation).ConfigureAwait(false)),
                _ when message.Role == ChatRole.Assistant => Answer(message),
                _ => throw new UnsupportedRequestException($"ChatMessage.Role \"{message.Role}\"", "the model knows system, user, assistant and tool."),
            });
        }
        CheckResults();
        return _messages is [.., { Role: EngineRole.User or EngineRole.Tool }]
            ? _messages
            : throw Wrong("There is nothing to answer: the last message must be the user's or have results of tools.");
    }

    private EngineMessage Answer(ChatMessage message)
    {
        FunctionCallContent[] calls = [.. message.Contents.OfType<FunctionCallContent>()];
        _calls = [.. calls.Select(call => call.CallId)];
        _results = new EngineMessage?[calls.Length];
        if (_calls.Distinct(StringComparer.Ordinal).Count() != _calls.Length)
        {
            throw Wrong($"Two calls of a message have the same id: {string.Join(", ", _calls)}.");
        }
        ToolCall[] made = [.. calls.Select(ToolContents.ToModel)];
        return new EngineMessage(EngineRole.Assistant, Texts(message, message.Contents.Where(content => content is not FunctionCallContent)), made);
    }

    private void AddResults(ChatMessage message)
    {
        foreach (AIContent content in message.Contents)
        {
            FunctionResultContent result = content as FunctionResultContent ?? throw Unsupported(message, content);
            int call = Array.IndexOf(_calls, result.CallId);
            if (call < 0)
            {
                throw Wrong($"The result of '{result.CallId}' belongs to no call of the answer before it.");
            }
            _results[call] = _results[call] is null ? ToolContents.Result(result) : throw Wrong($"The call '{result.CallId}' has two results.");
        }
        if (_calls.Length > 0 && Array.TrueForAll(_results, result => result is not null))
        {
            _messages.AddRange(_results!);
            _calls = [];
        }
    }

    private void CheckResults()
    {
        if (_calls.Length > 0)
        {
            throw Wrong($"The call '{_calls[Array.IndexOf(_results, null)]}' has no result: after an answer with calls comes the result of each.");
        }
    }

    private async Task<IReadOnlyList<EngineContent>> PartsAsync(ChatMessage message, CancellationToken cancellation)
    {
        List<EngineContent> parts = [];
        foreach (AIContent content in message.Contents)
        {
            if (content is TextContent text)
            {
                AddText(parts, text.Text);
            }
            else
            {
                byte[] file = content switch
                {
                    DataContent data => Picture(data),
                    UriContent address => await FetchAsync(address, cancellation).ConfigureAwait(false),
                    _ => throw Unsupported(message, content),
                };
                parts.Add(model.HasVision
                    ? model.LoadPicture(file)
                    : throw new UnsupportedRequestException(content.GetType().Name, "the model was loaded without its vision tower, or has none: it takes text only."));
            }
        }
        return parts;
    }

    private async Task<byte[]> FetchAsync(UriContent content, CancellationToken cancellation)
    {
        if (content.Uri is { IsAbsoluteUri: true, Scheme: "data" })
        {
            return Picture(new DataContent(content.Uri, content.MediaType));
        }
        CheckMedia(content.MediaType);
        return pictures is null
            ? throw new UnsupportedRequestException(nameof(UriContent), $"nobody is there to fetch {content.Uri}: register an {nameof(IPictureFetcher)}, or give the picture's bytes in a {nameof(DataContent)}.")
            : await pictures.FetchAsync(content.Uri, cancellation).ConfigureAwait(false) ?? throw new InvalidOperationException($"The {nameof(IPictureFetcher)} gave null for {content.Uri}.");
    }

    private static byte[] Picture(DataContent data)
    {
        CheckMedia(data.MediaType);
        return data.Data.ToArray();
    }

    private static void CheckMedia(string type)
    {
        if (!type.StartsWith("image/", StringComparison.OrdinalIgnoreCase))
        {
            throw new UnsupportedRequestException($"media type {type}", "the model takes text and pictures.");
        }
    }

    private static List<EngineContent> Texts(ChatMessage message, IEnumerable<AIContent> contents)
    {
        List<EngineContent> parts = [];
        foreach (AIContent content in contents)
        {
            AddText(parts, content is TextContent text ? text.Text : throw Unsupported(message, content));
        }
        return parts;
    }

    // Pieces of one text are one text: each part is tokenized by itself.
    private static void AddText(List<EngineContent> parts, string text)
    {
        if (parts is [.., EngineText before])
        {
            parts[^1] = new EngineText(before.Text + text);
        }
        else
        {
            parts.Add(new EngineText(text));
        }
    }

    private static UnsupportedRequestException Unsupported(ChatMessage message, AIContent? content) =>
        new(content?.GetType().Name ?? "null", $"a message of the {message.Role} cannot have it.");

    private static ArgumentException Wrong(string message) => new(message, "messages");
}
