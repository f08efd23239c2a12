using Llama4Kernels.Engine.Chat;

namespace Llama4Kernels.Engine.Generation;

/// <summary>One step of a generation as it is streamed.</summary>
/// <param name="Text">The text that became certain, as the model wrote it; empty while a character or a possible stop string is incomplete.</param>
/// <param name="TokenId">The token of this step; null when the update only ends the stream.</param>
/// <param name="Logprob">
/// The token's ln P, when the options ask for it, −∞ for a probability of zero: how likely the model found it, before temperature and
/// other sampler steps. Under a constraint the probabilities are those of the allowed tokens, which add up to 1: a forced token has 0.
/// </param>
/// <param name="FinishReason">Why the generation ended, on the last update only.</param>
/// <param name="Usage">What the generation took, on the last update only.</param>
public sealed record GenerationUpdate(
    string Text,
    int? TokenId = null,
    double? Logprob = null,
    FinishReason? FinishReason = null,
    Usage? Usage = null)
{
    /// <summary>
    /// What has become certain of the answer's content: <see cref="Text"/>, and in a conversation with tools only what is neither a
    /// call nor may yet be one.
    /// </summary>
    public string Content { get; init; } = Text;

    /// <summary>
    /// The most likely tokens in the place of this one and their ln P, best first, without those that a constraint forbids; empty when
    /// none were asked for.
    /// </summary>
    public IReadOnlyList<(int TokenId, double Logprob)> TopLogprobs { get; init; } = [];

    /// <summary>The calls that have become certain, in a conversation with tools; each is given once.</summary>
    public IReadOnlyList<ToolCall> ToolCalls { get; init; } = [];
}
