namespace Llama4Kernels.Engine.Sampling;

/// <summary>For each distinct token of the history: z ← z / r when z &gt; 0, else z · r.</summary>
internal sealed class RepetitionPenaltyStep : ISamplerStep
{
    private readonly float _penalty;

    /// <summary>Penalises by <paramref name="penalty"/>; 1 changes nothing, below 1 favours repetition.</summary>
    /// <exception cref="ArgumentException">Not a finite number above 0.</exception>
    public RepetitionPenaltyStep(float penalty)
    {
        if (!(penalty > 0) || !float.IsFinite(penalty))
        {
            throw new ArgumentException($"A repetition penalty must be a finite number above 0, not {penalty}.", nameof(penalty));
        }
        _penalty = penalty;
    }

    /// <inheritdoc/>
    public void Apply(Span<float> logits, ReadOnlySpan<int> history, SamplerWorkspace workspace) =>
        workspace.ForEachDistinct(logits, history, _penalty, static (r, z, _) => z > 0 ? z / r : z * r);
}
