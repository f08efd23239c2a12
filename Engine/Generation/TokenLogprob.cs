namespace Llama4Kernels.Engine.Generation;

/// <summary>How likely the model found a token; <see cref="GenerationUpdate.Logprob"/> says more.</summary>
/// <param name="Logprob">ln P, −∞ for a probability of zero.</param>
/// <param name="Top">The most likely tokens in its place, best first; empty when none were asked for.</param>
internal sealed record TokenLogprob(double Logprob, IReadOnlyList<(int TokenId, double Logprob)> Top);
