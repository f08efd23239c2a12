namespace Llama4Kernels.Engine.Generation;

/// <summary>
/// How likely the model found a token, before temperature and other sampler steps. Under a constraint the
/// probabilities are those of the allowed tokens, which add up to 1: a forced token has ln P = 0.
/// </summary>
/// <param name="TokenId">The token: the chosen one, or one of those in its place.</param>
/// <param name="Logprob">ln P, −∞ for a probability of zero.</param>
/// <param name="Top">The most likely tokens in its place, best first, without those that a constraint forbids; empty when none were asked for, and for those themselves.</param>
public sealed record TokenLogprob(int TokenId, double Logprob, IReadOnlyList<TokenLogprob> Top);
