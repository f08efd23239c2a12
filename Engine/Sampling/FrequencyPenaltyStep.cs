namespace Llama4Kernels.Engine.Sampling;

/// <summary>For each distinct token of the history: z ← z − b · (its number of occurrences).</summary>
internal sealed class FrequencyPenaltyStep : ISamplerStep
{
    private readonly float _penalty;

    /// <summary>Subtracts <paramref name="penalty"/> for each occurrence; negative favours repetition.</summary>
    /// <exception cref="ArgumentException">Not a finite number.</exception>
    public FrequencyPenaltyStep(float penalty)
    {
        if (!float.IsFinite(penalty))
        {
            throw new ArgumentException($"A frequency penalty must be a finite number, not {penalty}.", nameof(penalty));
        }
        _penalty = penalty;
    }

    /// <inheritdoc/>
    public void Apply(Span<float> logits, ReadOnlySpan<int> history, SamplerWorkspace workspace) =>
        workspace.ForEachDistinct(logits, history, _penalty, static (b, z, count) => z - (b * count));
}
