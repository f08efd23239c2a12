namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// Result of top-k routing for the rows of a batch, readable on the host. Filled by the router.
/// </summary>
public abstract class Routing : IDisposable
{
    /// <summary>Experts per token k.</summary>
    public abstract int TopK { get; }

    /// <summary>Routed experts E.</summary>
    public abstract int ExpertCount { get; }

    /// <summary>Rows filled by the last routing.</summary>
    public abstract int Rows { get; }

    /// <summary>Chosen experts [Rows, k], best first, equal logits by ascending index.</summary>
    public abstract ReadOnlySpan<int> Experts { get; }

    /// <summary>Scores σ(logit) of the chosen experts [Rows, k]; not normalised.</summary>
    public abstract ReadOnlySpan<float> Scores { get; }

    /// <inheritdoc/>
    public abstract void Dispose();
}
