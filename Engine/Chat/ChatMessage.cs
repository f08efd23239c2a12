using System.Text.Json.Nodes;

namespace Llama4Kernels.Engine.Chat;

/// <summary>A message of a conversation.</summary>
/// <param name="Role">Who speaks.</param>
/// <param name="Content">Its parts in order, possibly none.</param>
/// <param name="ToolCalls">Calls that follow the content; for the assistant only. Null for none.</param>
/// <param name="FinishReason">Why the message ended; null is the end of the turn. Tool calls decide before this does.</param>
public sealed record ChatMessage(
    ChatRole Role,
    IReadOnlyList<ChatContent> Content,
    IReadOnlyList<ToolCall>? ToolCalls = null,
    FinishReason? FinishReason = null)
{
    /// <summary>Calls that follow the content, possibly none.</summary>
    public IReadOnlyList<ToolCall> ToolCalls { get; init; } = ToolCalls ?? [];

    /// <summary>The texts of the content, without what stands between them.</summary>
    public string Text => string.Concat(Content.OfType<TextContent>().Select(part => part.Text));

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
