using Llama4Kernels.Engine.Chat;

namespace Llama4Kernels.Engine.Generation;

/// <summary>One step of a generation as it is streamed.</summary>
/// <param name="Text">The text that became certain; empty while a character or a possible stop string is incomplete.</param>
/// <param name="TokenId">The token of this step; null when the update only ends the stream.</param>
/// <param name="Logprob">The token's log-probability, when the options ask for it.</param>
/// <param name="FinishReason">Why the generation ended, on the last update only.</param>
/// <param name="Usage">What the generation took, on the last update only.</param>
public sealed record GenerationUpdate(
    string Text,
    int? TokenId = null,
    TokenLogprob? Logprob = null,
    FinishReason? FinishReason = null,
    Usage? Usage = null);
