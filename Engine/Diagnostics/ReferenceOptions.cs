namespace Llama4Kernels.Engine.Diagnostics;

/// <summary>
/// What <see cref="ReferenceComparison"/> lets pass. A value out of range throws <see cref="ArgumentException"/> where it is set.
/// </summary>
public sealed record ReferenceOptions
{
    /// <summary>With float32 activations: largest error of logits and intermediate values as a share of the reference's range. At least 0.</summary>
    public double Tolerance
    {
        get;
        init => field = value >= 0 ? value : throw new ArgumentException($"{nameof(Tolerance)} must be 0 or more, not {value}.", nameof(Tolerance));
    } = 1e-5;

    /// <summary>With activations that are rounded or quantised: largest mean KL divergence of the logits in nats. At least 0.</summary>
    public double MaxKl
    {
        get;
        init => field = value >= 0 ? value : throw new ArgumentException($"{nameof(MaxKl)} must be 0 or more, not {value}.", nameof(MaxKl));
    } = 1e-3;
}
