namespace Llama4Kernels.Engine.Sampling;

/// <summary>For each token that has a bias: z ← z + b.</summary>
internal sealed class LogitBiasStep : ISamplerStep
{
    private readonly (int Id, float Bias)[] _biases;

    /// <summary>Adds <paramref name="biases"/>, by token.</summary>
    /// <exception cref="ArgumentException">One is not a finite number.</exception>
    public LogitBiasStep(IReadOnlyDictionary<int, float> biases)
    {
        ArgumentNullException.ThrowIfNull(biases);
        _biases = [.. biases.Select(bias => float.IsFinite(bias.Value)
            ? (bias.Key, bias.Value)
            : throw new ArgumentException($"The bias of token {bias.Key} must be a finite number, not {bias.Value}.", nameof(biases)))];
    }

    /// <inheritdoc/>
    public void Apply(Span<float> logits, ReadOnlySpan<int> history, SamplerWorkspace workspace)
    {
        foreach ((int id, float bias) in _biases)
        {
            logits[id] += bias;
        }
    }
}
