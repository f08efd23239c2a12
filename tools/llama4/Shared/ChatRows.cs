using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Cli.Shared;

/// <summary>Reads conversations from rows of JSON.</summary>
internal static class ChatRows
{
    /// <summary>Adds to a row with <c>messages</c> the <c>ids</c> of its prompt.</summary>
    public static Func<JsonObject, JsonObject> Encoder(Llama4Tokenizer tokenizer)
    {
        var chat = new ChatFormat(tokenizer);
        return row =>
        {
            row["ids"] = JsonLines.Array(chat.EncodePrompt(Messages(JsonLines.Field(row, "messages").AsArray()), FormatOf(row["tool_prompt_format"])).Ids.ToArray());
            return row;
        };
    }

    /// <summary>The messages; pictures are given by their tile grids.</summary>
    /// <exception cref="FormatException">A field is missing or has an unknown value.</exception>
    public static IReadOnlyList<ChatMessage> Messages(JsonArray messages) => [.. messages.Select(node => MessageOf(ObjectOf(node)))];

    public static ChatRole RoleOf(string name) => name switch
    {
        "system" => ChatRole.System,
        "user" => ChatRole.User,
        "assistant" => ChatRole.Assistant,
        "tool" or "ipython" => ChatRole.Tool,
        _ => throw new FormatException($"the role '{name}' is unknown."),
    };

    private static ChatMessage MessageOf(JsonObject message) => new(
        RoleOf(JsonLines.Field(message, "role").GetValue<string>()),
        ContentOf(JsonLines.Field(message, "content")),
        message["tool_calls"] is JsonNode calls ? [.. calls.AsArray().Select(node => CallOf(ObjectOf(node)))] : null,
        message["stop_reason"] is JsonNode reason ? ReasonOf(reason.GetValue<string>()) : null);

    private static IReadOnlyList<ChatContent> ContentOf(JsonNode content) =>
        content is JsonArray parts ? [.. parts.Select(node => PartOf(ObjectOf(node)))] : [new TextContent(content.GetValue<string>())];

    private static ChatContent PartOf(JsonObject part)
    {
        string type = JsonLines.Field(part, "type").GetValue<string>();
        return type switch
        {
            "text" => new TextContent(JsonLines.Field(part, "text").GetValue<string>()),
            "image" => JsonLines.Integers(JsonLines.Field(part, "tiles")) is [int rows, int columns]
                ? new ImageContent(rows, columns)
                : throw new FormatException("tiles must be [rows, columns]."),
            _ => throw new FormatException($"content of type '{type}' is unknown."),
        };
    }

    private static ToolCall CallOf(JsonObject call) =>
        new(JsonLines.Field(call, "name").GetValue<string>(), JsonLines.Field(call, "arguments").DeepClone());

    private static FinishReason ReasonOf(string name) => name switch
    {
        "end_of_turn" => FinishReason.EndOfTurn,
        "end_of_message" => FinishReason.EndOfMessage,
        "out_of_tokens" => FinishReason.Length,
        _ => throw new FormatException($"the stop reason '{name}' is unknown."),
    };

    private static ToolPromptFormat FormatOf(JsonNode? node) => node?.GetValue<string>() switch
    {
        null or "json" => ToolPromptFormat.Json,
        "function_tag" => ToolPromptFormat.FunctionTag,
        "python_list" => ToolPromptFormat.PythonList,
        string name => throw new FormatException($"the tool prompt format '{name}' is unknown."),
    };

    private static JsonObject ObjectOf(JsonNode? node) => node as JsonObject ?? throw new FormatException("an object is needed.");
}
