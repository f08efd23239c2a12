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

    /// <summary>
    /// With activations that are rounded or quantised: how far all rows together may be. Null takes the official implementation's own
    /// distance: <see cref="DivergenceBound.OfficialBFloat16"/>, with int8 activations <see cref="DivergenceBound.GroupInt8"/>.
    /// </summary>
    public DivergenceBound? Bound { get; init; }
}
