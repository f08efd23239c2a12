using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Server.Errors;

namespace Llama4Kernels.Server.Requests;

/// <summary>Reads the messages of a chat.</summary>
/// <param name="model">Whose conversation it is.</param>
/// <param name="pictures">Reads what it sees.</param>
/// <param name="limits">The server's.</param>
internal sealed class ChatMessages(Llama4Model model, PictureReader pictures, ServerLimits limits)
{
    private static readonly RequestField[] s_message = ["role", "content", "name"];
    private static readonly RequestField[] s_assistant =
    [
        .. s_message, "tool_calls", "refusal", "annotations", "reasoning_content",
        RequestField.Never("audio", "The model does not speak."),
        RequestField.Never("function_call", "Calls are given as tool_calls."),
    ];
    private static readonly RequestField[] s_tool = [.. s_message, "tool_call_id"];
    private static readonly RequestField[] s_call = ["id", "type", "function", "index"];
    private static readonly RequestField[] s_part = ["type", "text", "image_url", "refusal"];

    private readonly Transcript _transcript = new(model);

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
            switch (message.NeedText("role"))
            {
                case "system" or "developer":
                    message.Check(s_message);
                    _transcript.Add(new ChatMessage(ChatRole.System, await ContentAsync(message, ChatRole.System, cancellation).ConfigureAwait(false)), path);
                    break;
                case "user":
                    message.Check(s_message);
                    _transcript.Add(new ChatMessage(ChatRole.User, await ContentAsync(message, ChatRole.User, cancellation).ConfigureAwait(false)), path);
                    break;
                case "assistant":
                    message.Check(s_assistant);
                    await AddAssistantAsync(message, path, cancellation).ConfigureAwait(false);
                    break;
                case "tool":
                    message.Check(s_tool);
                    _transcript.AddResult(message.NeedText("tool_call_id"), await ContentAsync(message, ChatRole.Tool, cancellation).ConfigureAwait(false), message.At("tool_call_id"));
                    break;
                default:
                    throw ApiException.Invalid(message.At("role"), $"'{message.At("role")}' must be system, developer, user, assistant or tool.");
            }
        }
        return _transcript.End("messages");
    }

    /// <summary>Arguments as a client sends them back: the text of a JSON object, or nothing.</summary>
    public static JsonNode Arguments(Fields call)
    {
        string text = call.NeedText("arguments"), path = call.At("arguments");
        try
        {
            return string.IsNullOrWhiteSpace(text) ? new JsonObject()
                : JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = RequestBody.MaxDepth }) as JsonObject
                    ?? throw ApiException.Invalid(path, $"'{path}' must be the text of a JSON object.");
        }
        catch (JsonException e)
        {
            throw ApiException.Invalid(path, $"'{path}' is not valid JSON: {e.Message}");
        }
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

    private async Task AddAssistantAsync(Fields message, string path, CancellationToken cancellation)
    {
        (JsonElement Item, string Path)[] calls = [.. message.List("tool_calls", limits.MaxTools)];
        IReadOnlyList<ChatContent> content = message.Any("content") is not null ? await ContentAsync(message, ChatRole.Assistant, cancellation).ConfigureAwait(false)
            : message.Text("refusal") is string refusal ? [new TextContent(refusal)]
            : calls.Length > 0 ? []
            : throw message.Missing("content");
        _transcript.Add(new ChatMessage(ChatRole.Assistant, content), path);
        foreach ((JsonElement item, string at) in calls)
        {
            Fields call = Fields.Of(item, at);
            call.Check(s_call);
            if (call.Text("type") is not (null or "function"))
            {
                throw ApiException.Unsupported(call.At("type"), "Only functions can be called.");
            }
            Fields function = call.NeedObject("function");
            function.Check(["name", "arguments"]);
            _transcript.AddCall(call.NeedText("id"), new ToolCall(ToolReader.NameOf(function), Arguments(function)), at);
        }
    }
}
