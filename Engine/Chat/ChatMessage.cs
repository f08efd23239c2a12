using System.Text.Json.Nodes;

namespace Llama4Kernels.Engine.Chat;

/// <summary>A message of a conversation.</summary>
/// <param name="Role">Who speaks.</param>
/// <param name="Content">Its parts in order, possibly none.</param>
/// <param name="ToolCalls">Calls that follow the content; for the assistant only.</param>
/// <param name="FinishReason">Why the message ended; null is the end of the turn. Tool calls decide before this does.</param>
public sealed record ChatMessage(
    ChatRole Role,
    IReadOnlyList<ChatContent> Content,
    IReadOnlyList<ToolCall>? ToolCalls = null,
    FinishReason? FinishReason = null)
{
    /// <summary>A message of a single text.</summary>
    /// <param name="role">Who speaks.</param>
    /// <param name="text">The text.</param>
    /// <returns>The message.</returns>
    public static ChatMessage FromText(ChatRole role, string text) => new(role, [new TextContent(text)]);

    /// <summary>A message of a JSON value, as of a tool's result: written as the models were taught to read it, as Python's <c>json.dumps</c> does.</summary>
    /// <param name="role">Who speaks.</param>
    /// <param name="value">The value; null for JSON's null.</param>
    /// <returns>The message.</returns>
    public static ChatMessage FromJson(ChatRole role, JsonNode? value) => FromText(role, PythonJson.Dumps(value));
}
