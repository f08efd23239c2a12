using System.Numerics.Tensors;

namespace Llama4Kernels.Engine.Sampling;

/// <summary>Keeps the tokens whose probability is at least min-p times the largest one.</summary>
internal sealed class MinPStep : ISamplerStep
{
    private readonly float _minP;

    /// <summary>Keeps P ≥ <paramref name="minP"/> · max P; 0 keeps all.</summary>
    /// <exception cref="ArgumentException">minP is not in [0, 1].</exception>
    public MinPStep(float minP)
    {
        if (!(minP >= 0 && minP <= 1))
        {
            throw new ArgumentException($"min-p must be in [0, 1], not {minP}.", nameof(minP));
        }
        _minP = minP;
    }

    /// <inheritdoc/>
    public void Apply(Span<float> logits, ReadOnlySpan<int> history, SamplerWorkspace workspace)
    {
        // P_i / max P = exp(z_i − max z): the sum of the softmax cancels.
        Span<float> ratios = workspace.Values[..logits.Length];
        TensorPrimitives.Subtract(logits, SamplingMath.CheckedMax(logits), ratios);
        TensorPrimitives.Exp(ratios, ratios);
        for (int id = 0; id < logits.Length; id++)
        {
            if (ratios[id] < _minP)
            {
                logits[id] = float.NegativeInfinity;
            }
        }
    }
}
