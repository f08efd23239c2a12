namespace Llama4Kernels.Engine.Chat;

/// <summary>What the model wrote, taken apart.</summary>
/// <param name="Content">The text. Without declared tools it is empty when there are calls; with them it is what stands around the calls.</param>
/// <param name="ToolCalls">All calls, in order.</param>
/// <param name="FinishReason">Why it ended.</param>
/// <param name="Code">Code for the interpreter, in a conversation that has declared tools and the interpreter; else null.</param>
internal sealed record AssistantAnswer(string Content, IReadOnlyList<ToolCall> ToolCalls, FinishReason FinishReason, string? Code = null);
