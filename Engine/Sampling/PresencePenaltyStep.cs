namespace Llama4Kernels.Engine.Sampling;

/// <summary>For each distinct token of the history: z ← z − a.</summary>
internal sealed class PresencePenaltyStep : ISamplerStep
{
    private readonly float _penalty;

    /// <summary>Subtracts <paramref name="penalty"/>; negative favours repetition.</summary>
    /// <exception cref="ArgumentException">Not a finite number.</exception>
    public PresencePenaltyStep(float penalty)
    {
        if (!float.IsFinite(penalty))
        {
            throw new ArgumentException($"A presence penalty must be a finite number, not {penalty}.", nameof(penalty));
        }
        _penalty = penalty;
    }

    /// <inheritdoc/>
    public void Apply(Span<float> logits, ReadOnlySpan<int> history, SamplerWorkspace workspace) =>
        workspace.ForEachDistinct(logits, history, _penalty, static (a, z, _) => z - a);
}
