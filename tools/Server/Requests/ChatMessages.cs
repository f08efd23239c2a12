using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Server.Errors;

namespace Llama4Kernels.Server.Requests;

/// <summary>
/// Reads the messages of a chat. Results of tools are put in the order of the calls, by their ids: the model knows calls by their
/// places only.
/// </summary>
/// <param name="model">Whose conversation it is.</param>
/// <param name="pictures">Reads what it sees.</param>
/// <param name="limits">The server's.</param>
internal sealed class ChatMessages(Llama4Model model, PictureReader pictures, ServerLimits limits)
{
    private static readonly RequestField[] s_message = ["role", "content", "name"];
    private static readonly RequestField[] s_assistant =
    [
        .. s_message, "tool_calls", "refusal", "annotations",
        RequestField.Never("audio", "The model does not speak."),
        RequestField.Never("function_call", "Calls are given as tool_calls."),
    ];
    private static readonly RequestField[] s_tool = [.. s_message, "tool_call_id"];
    private static readonly RequestField[] s_call = ["id", "type", "function", "index"];
    private static readonly RequestField[] s_part = ["type", "text", "image_url", "refusal"];

    private readonly List<ChatMessage> _messages = [];
    private readonly List<string> _calls = [];
    private readonly Dictionary<string, ChatMessage> _results = new(StringComparer.Ordinal);

    /// <summary>The messages, at least one, the last one to be answered.</summary>
    /// <exception cref="ApiException">A message is not as it must be; the error names the place.</exception>
    public async Task<IReadOnlyList<ChatMessage>> ReadAsync(Fields request, CancellationToken cancellation)
    {
        if (request.Any("messages") is null)
        {
            throw request.Missing("messages");
        }
        foreach ((JsonElement item, string path) in request.List("messages", limits.MaxMessages))
        {
            Fields message = Fields.Of(item, path);
            string role = message.NeedText("role");
            if (role != "tool")
            {
                CloseCalls(path);
            }
            switch (role)
            {
                case "system" or "developer":
                    message.Check(s_message);
                    _messages.Add(new ChatMessage(ChatRole.System, await ContentAsync(message, ChatRole.System, cancellation).ConfigureAwait(false)));
                    break;
                case "user":
                    message.Check(s_message);
                    _messages.Add(new ChatMessage(ChatRole.User, await ContentAsync(message, ChatRole.User, cancellation).ConfigureAwait(false)));
                    break;
                case "assistant":
                    message.Check(s_assistant);
                    await AddAssistantAsync(message, cancellation).ConfigureAwait(false);
                    break;
                case "tool":
                    message.Check(s_tool);
                    await AddResultAsync(message, cancellation).ConfigureAwait(false);
                    break;
                default:
                    throw ApiException.Invalid(message.At("role"), $"'{message.At("role")}' must be system, developer, user, assistant or tool.");
            }
        }
        CloseCalls("messages");
        return _messages is [.., { Role: ChatRole.User or ChatRole.Tool }]
            ? _messages
            : throw ApiException.Invalid("messages", _messages.Count == 0
                ? "'messages' is empty: there is nothing to answer."
                : "The last message must be the user's or a tool's: there is nothing to answer after the model's own or the system's.");
    }

    private async Task<IReadOnlyList<ChatContent>> ContentAsync(Fields message, ChatRole role, CancellationToken cancellation)
    {
        string path = message.At("content");
        JsonElement content = message.NeedAny("content");
        if (content.ValueKind == JsonValueKind.String)
        {
            return [new TextContent(content.GetString()!)];
        }
        if (content.ValueKind != JsonValueKind.Array)
        {
            throw Fields.Wrong(path, "a text or a list of parts", content);
        }
        List<ChatContent> parts = [];
        foreach ((JsonElement item, string at) in Fields.ListOf(content, path, limits.MaxMessages))
        {
            Fields part = Fields.Of(item, at);
            string type = part.NeedText("type");
            part.Check(s_part);
            switch (type)
            {
                case "text":
                    parts.Add(new TextContent(part.NeedText("text")));
                    break;
                case "refusal" when role == ChatRole.Assistant:
                    parts.Add(new TextContent(part.NeedText("refusal")));
                    break;
                case "image_url" when role == ChatRole.User:
                    Fields image = part.NeedObject("image_url");
                    image.Check(["url", "detail"]);
                    PictureReader.CheckDetail(image);
                    parts.Add(await pictures.ReadAsync(image.NeedText("url"), image.At("url"), cancellation).ConfigureAwait(false));
                    break;
                case "image_url":
                    throw ApiException.Invalid(part.At("type"), "Pictures stand in the user's messages only.");
                default:
                    throw ApiException.Unsupported(part.At("type"), $"'{part.At("type")}' must be text or image_url: the model takes nothing else.");
            }
        }
        return parts.Count > 0 ? parts : throw ApiException.Invalid(path, $"'{path}' has no parts.");
    }

    private async Task AddAssistantAsync(Fields message, CancellationToken cancellation)
    {
        List<ToolCall> calls = [];
        foreach ((JsonElement item, string path) in message.List("tool_calls", limits.MaxTools))
        {
            Fields call = Fields.Of(item, path);
            call.Check(s_call);
            if (call.Text("type") is not (null or "function"))
            {
                throw ApiException.Unsupported(call.At("type"), "Only functions can be called.");
            }
            string id = call.NeedText("id");
            if (_calls.Contains(id))
            {
                throw ApiException.Invalid(call.At("id"), "Two calls have the same id.");
            }
            Fields function = call.NeedObject("function");
            function.Check(["name", "arguments"]);
            _calls.Add(id);
            calls.Add(new ToolCall(ToolReader.NameOf(function), Arguments(function.NeedText("arguments"), function.At("arguments"))));
        }
        IReadOnlyList<ChatContent> content = message.Any("content") is not null ? await ContentAsync(message, ChatRole.Assistant, cancellation).ConfigureAwait(false)
            : message.Text("refusal") is string refusal ? [new TextContent(refusal)]
            : calls.Count > 0 ? []
            : throw message.Missing("content");
        var written = new ChatMessage(ChatRole.Assistant, content, calls);
        if (calls.Count > 0)
        {
            // Whether the model's way of writing calls can write these.
            ErrorTable.At(message.At("tool_calls"), () => model.Chat.EncodePrompt([written]));
        }
        _messages.Add(written);
    }

    /// <summary>Arguments as a client sends them back: the text of a JSON object, or nothing.</summary>
    internal static JsonNode Arguments(string text, string path)
    {
        try
        {
            return string.IsNullOrWhiteSpace(text) ? new JsonObject()
                : JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 64 }) as JsonObject
                    ?? throw ApiException.Invalid(path, $"'{path}' must be the text of a JSON object.");
        }
        catch (JsonException e)
        {
            throw ApiException.Invalid(path, $"'{path}' is not valid JSON: {e.Message}");
        }
    }

    private async Task AddResultAsync(Fields message, CancellationToken cancellation)
    {
        string id = message.NeedText("tool_call_id");
        if (!_calls.Contains(id))
        {
            throw ApiException.Invalid(message.At("tool_call_id"), "No call before this message has this id.");
        }
        if (!_results.TryAdd(id, new ChatMessage(ChatRole.Tool, await ContentAsync(message, ChatRole.Tool, cancellation).ConfigureAwait(false))))
        {
            throw ApiException.Invalid(message.At("tool_call_id"), "The call has two results.");
        }
    }

    /// <summary>Calls are over: every one has its result, and they come in the order of the calls.</summary>
    private void CloseCalls(string path)
    {
        if (_calls.Find(id => !_results.ContainsKey(id)) is not null)
        {
            throw ApiException.Invalid(path, "A call of the message before has no result: give a message of the role 'tool' for each.");
        }
        _messages.AddRange(_calls.Select(id => _results[id]));
        _calls.Clear();
        _results.Clear();
    }
}
