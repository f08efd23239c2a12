using System.Text.Json;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Server.Errors;

namespace Llama4Kernels.Server.Requests;

/// <summary>Reads the input of a response: a text, or a list of messages, calls and what they gave.</summary>
/// <param name="model">Whose conversation it is.</param>
/// <param name="pictures">Reads what it sees.</param>
/// <param name="limits">The server's.</param>
internal sealed class ResponseInput(Llama4Model model, PictureReader pictures, ServerLimits limits)
{
    private static readonly RequestField[] s_message = ["type", "role", "content", "id", "status", "phase"];
    private static readonly RequestField[] s_call = ["type", "call_id", "name", "arguments", "id", "status"];
    private static readonly RequestField[] s_result = ["type", "call_id", "output", "id", "status"];
    private static readonly RequestField[] s_part =
    [
        "type", "text", "annotations", "logprobs", "image_url", "detail", "refusal",
        RequestField.Never("file_id", "Nothing is stored: give a picture as a data URL."),
    ];

    private readonly Transcript _transcript = new(model);

    /// <summary>The messages, at least one, the last one to be answered.</summary>
    /// <exception cref="ApiException">An item is not as it must be; the error names the place.</exception>
    public async Task<IReadOnlyList<ChatMessage>> ReadAsync(Fields request, CancellationToken cancellation)
    {
        const string Field = "input";
        if (request.Text("instructions") is string instructions)
        {
            _transcript.Add(ChatMessage.FromText(ChatRole.System, instructions), "instructions");
        }
        JsonElement input = request.NeedAny(Field);
        if (input.ValueKind == JsonValueKind.String)
        {
            _transcript.Add(ChatMessage.FromText(ChatRole.User, input.GetString()!), Field);
            return _transcript.End(Field);
        }
        if (input.ValueKind != JsonValueKind.Array)
        {
            throw Fields.Wrong(Field, "a text or a list of items", input);
        }
        foreach ((JsonElement element, string path) in Fields.ListOf(input, Field, limits.MaxMessages))
        {
            Fields item = Fields.Of(element, path);
            switch (item.Text("type") ?? "message")
            {
                case "message":
                    item.Check(s_message);
                    ChatRole role = RoleOf(item);
                    _transcript.Add(new ChatMessage(role, await ContentAsync(item, "content", role, cancellation).ConfigureAwait(false)), path);
                    break;
                case "function_call":
                    item.Check(s_call);
                    _transcript.AddCall(item.NeedText("call_id"), new ToolCall(ToolReader.NameOf(item), ChatMessages.Arguments(item)), path);
                    break;
                case "function_call_output":
                    item.Check(s_result);
                    _transcript.AddResult(item.NeedText("call_id"), await ContentAsync(item, "output", ChatRole.Tool, cancellation).ConfigureAwait(false), item.At("call_id"));
                    break;
                default:
                    throw ApiException.Unsupported(item.At("type"), $"'{item.At("type")}' must be message, function_call or function_call_output.");
            }
        }
        return _transcript.End(Field);
    }

    private static ChatRole RoleOf(Fields item) => item.NeedText("role") switch
    {
        "system" or "developer" => ChatRole.System,
        "user" => ChatRole.User,
        "assistant" => ChatRole.Assistant,
        _ => throw ApiException.Invalid(item.At("role"), $"'{item.At("role")}' must be system, developer, user or assistant."),
    };

    private async Task<IReadOnlyList<ChatContent>> ContentAsync(Fields item, string field, ChatRole role, CancellationToken cancellation)
    {
        string path = item.At(field);
        JsonElement content = item.NeedAny(field);
        if (content.ValueKind == JsonValueKind.String)
        {
            return [new TextContent(content.GetString()!)];
        }
        if (content.ValueKind != JsonValueKind.Array)
        {
            throw Fields.Wrong(path, "a text or a list of parts", content);
        }
        List<ChatContent> parts = [];
        foreach ((JsonElement element, string at) in Fields.ListOf(content, path, limits.MaxMessages))
        {
            Fields part = Fields.Of(element, at);
            string type = part.NeedText("type");
            part.Check(s_part);
            switch (type)
            {
                case "input_text" or "output_text" or "text":
                    parts.Add(new TextContent(part.NeedText("text")));
                    break;
                case "refusal" when role == ChatRole.Assistant:
                    parts.Add(new TextContent(part.NeedText("refusal")));
                    break;
                case "input_image" when role == ChatRole.User:
                    PictureReader.CheckDetail(part);
                    parts.Add(await pictures.ReadAsync(part.NeedText("image_url"), part.At("image_url"), cancellation).ConfigureAwait(false));
                    break;
                case "input_image":
                    throw ApiException.Invalid(part.At("type"), "Pictures stand in the user's messages only.");
                default:
                    throw ApiException.Unsupported(part.At("type"), $"'{part.At("type")}' must be input_text, output_text or input_image: the model takes nothing else.");
            }
        }
        return parts.Count > 0 ? parts : throw ApiException.Invalid(path, $"'{path}' has no parts.");
    }
}
