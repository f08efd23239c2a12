namespace Llama4Kernels.Engine.Generation;

/// <summary>
/// How likely the model found a token that was chosen, before temperature and other sampler steps. Under a constraint the
/// probabilities are those of the allowed tokens, which add up to 1: a forced token has ln P = 0.
/// </summary>
/// <param name="TokenId">The token chosen.</param>
/// <param name="Logprob">ln P of the token chosen, −∞ for a probability of zero.</param>
/// <param name="Top">The most likely tokens in its place, best first, without those that a constraint forbids; empty when none were asked for.</param>
public sealed record TokenLogprob(int TokenId, double Logprob, IReadOnlyList<TokenLogprobCandidate> Top);
