namespace Llama4Kernels.Engine.Generation;

/// <summary>How likely the model found a token that was chosen, before temperature and other sampler steps.</summary>
/// <param name="TokenId">The token chosen.</param>
/// <param name="Logprob">ln P of the token chosen, −∞ for a probability of zero.</param>
/// <param name="Top">The most likely tokens in its place, best first; empty when none were asked for.</param>
public sealed record TokenLogprob(int TokenId, double Logprob, IReadOnlyList<TokenLogprobCandidate> Top);
