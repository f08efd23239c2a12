namespace Llama4Kernels.Engine.Sampling;

/// <summary>
/// Nucleus sampling: by falling probability (equals by rising id), a token stays while the sum before it is at most p, so
/// that the token that crosses p stays too and at least one always does.
/// </summary>
internal sealed class TopPStep : ISamplerStep
{
    private readonly float _p;

    /// <summary>Keeps the nucleus of mass <paramref name="p"/>; 1 keeps all.</summary>
    /// <exception cref="ArgumentException">p is not in (0, 1].</exception>
    public TopPStep(float p)
    {
        if (!(p > 0 && p <= 1))
        {
            throw new ArgumentException($"top-p must be in (0, 1], not {p}.", nameof(p));
        }
        _p = p;
    }

    /// <inheritdoc/>
    public void Apply(Span<float> logits, ReadOnlySpan<int> history, SamplerWorkspace workspace)
    {
        if (_p == 1)
        {
            return;
        }
        Span<float> probabilities = workspace.Values[..logits.Length];
        double sum = SamplingMath.Exponentials(logits, probabilities);

        // All tokens below (1 − p) / V together weigh less than 1 − p, so none of them is in the nucleus and only the
        // others need sorting. The factor leaves room for rounding.
        float negligible = 0.5f * (1 - _p) / logits.Length;
        Span<ulong> keys = workspace.Keys;
        int count = 0;
        for (int id = 0; id < probabilities.Length; id++)
        {
            float probability = (float)(probabilities[id] / sum);
            probabilities[id] = probability;
            if (probability >= negligible)
            {
                keys[count++] = SamplingMath.DescendingKey(probability, id);
            }
            else
            {
                logits[id] = float.NegativeInfinity;
            }
        }
        keys = keys[..count];
        keys.Sort();

        // Summed in double and compared in float32, as the reference implementation does.
        double cumulative = 0;
        int kept = 0;
        for (; kept < keys.Length; kept++)
        {
            float probability = probabilities[SamplingMath.IdOf(keys[kept])];
            cumulative += probability;
            if ((float)cumulative - probability > _p)
            {
                break;
            }
        }
        foreach (ulong key in keys[kept..])
        {
            logits[SamplingMath.IdOf(key)] = float.NegativeInfinity;
        }
    }
}
