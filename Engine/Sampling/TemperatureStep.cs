using System.Numerics.Tensors;

namespace Llama4Kernels.Engine.Sampling;

/// <summary>z ← z / T: below 1 sharpens the distribution, above 1 flattens it.</summary>
internal sealed class TemperatureStep : ISamplerStep
{
    private readonly float _temperature;

    /// <summary>Divides by <paramref name="temperature"/>.</summary>
    /// <exception cref="ArgumentException">Not a finite number above 0; greedy choice is no temperature but no drawing.</exception>
    public TemperatureStep(float temperature)
    {
        if (!(temperature > 0) || !float.IsFinite(temperature))
        {
            throw new ArgumentException($"A temperature must be a finite number above 0, not {temperature}.", nameof(temperature));
        }
        _temperature = temperature;
    }

    /// <inheritdoc/>
    public void Apply(Span<float> logits, ReadOnlySpan<int> history, SamplerWorkspace workspace)
    {
        float max = SamplingMath.CheckedMax(logits);
        if (!float.IsFinite(max / _temperature))
        {
            // A tiny temperature would make the best logits infinite. Softmax does not see a shift, so move the best to 0.
            TensorPrimitives.Subtract(logits, max, logits);
        }
        TensorPrimitives.Divide(logits, _temperature, logits);
    }
}
