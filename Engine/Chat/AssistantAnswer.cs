namespace Llama4Kernels.Engine.Chat;

/// <summary>What the model wrote, taken apart.</summary>
/// <param name="Content">The text; empty when there are calls.</param>
/// <param name="ToolCalls">All calls, in order.</param>
/// <param name="StopReason">Why it ended.</param>
public sealed record AssistantAnswer(string Content, IReadOnlyList<ToolCall> ToolCalls, StopReason StopReason);
