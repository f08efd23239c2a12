namespace Llama4Kernels.Engine.Diagnostics;

/// <summary>How well a model predicts a text.</summary>
/// <param name="Tokens">Tokens that were predicted.</param>
/// <param name="MeanNll">Mean negative log-likelihood of a token in nats.</param>
/// <param name="StandardError">Standard error of the mean, as if tokens were independent.</param>
/// <param name="Against">The model that was compared with; null for none.</param>
/// <param name="Divergence">How far each row of logits is from that model's; null for none.</param>
public sealed record LikelihoodReport(int Tokens, double MeanNll, double StandardError, LikelihoodReport? Against = null, LogitDivergence? Divergence = null)
{
    /// <summary>exp of the mean negative log-likelihood.</summary>
    public double Perplexity => Math.Exp(MeanNll);
}
