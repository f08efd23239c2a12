namespace Llama4Kernels.Engine.Generation;

/// <summary>A token and the natural logarithm of its probability.</summary>
/// <param name="TokenId">The token.</param>
/// <param name="Logprob">ln P, −∞ for a probability of zero.</param>
public readonly record struct TokenLogprobCandidate(int TokenId, double Logprob);
