using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Backends;

/// <summary>How a <see cref="CpuBackend"/> runs.</summary>
public sealed record CpuBackendOptions
{
    /// <summary>Threads that share the work, at most <see cref="ThreadTeam.MaxThreads"/>; 0 for one per core that the process may use. No more work at a time than there are processors.</summary>
    public int Threads { get; init; }

    /// <summary>What products may make of their activations: float32 is exact, bfloat16 rounds them where weights are bfloat16.</summary>
    public ActivationPrecision Precision { get; init; } = ActivationPrecision.Float32;

    /// <summary>
    /// A product's record to be taken wherever it can be, by its name (<c>llama4 kernels --device cpu</c> lists them); null takes the
    /// best that this machine has. Weights are packed in the layout that it reads.
    /// </summary>
    public string? Product { get; init; }

    /// <summary>
    /// A form of attention to be taken for the caches that it reads, by its name (the backend's description names those that are
    /// taken); null takes the best that this machine has: over bfloat16 caches dot products of rounded queries and weights where
    /// <see cref="Precision"/> allows rounding, else exact ones in float32.
    /// </summary>
    public string? Attention { get; init; }
}
