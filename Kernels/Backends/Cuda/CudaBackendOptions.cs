using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Backends.Cuda;

/// <summary>How a <see cref="CudaBackend"/> runs.</summary>
public sealed record CudaBackendOptions
{
    /// <summary>
    /// float32 is exact: products like the CPU's but for the order of their sums. bfloat16 lets products round their activations
    /// where there are tensor-core kernels for the weights' format: int4. Everything between products stays float32.
    /// </summary>
    public ActivationPrecision Precision { get; init; } = ActivationPrecision.Float32;

    /// <summary>
    /// A product's record to be taken wherever it can be, by the name of its kernel (<c>llama4 kernels</c> lists them); null takes the
    /// best. Weights are packed in the layout that it reads.
    /// </summary>
    public string? Product { get; init; }

    /// <summary>Device memory is taken in pieces of this size (or larger, for a larger request) and given out from them, bytes.</summary>
    public long ArenaBytes { get; init; } = 64L << 20;

    /// <summary>What may go to the device before the host waits for it: ids, positions, block tables, rotations of steps, bytes.</summary>
    public long StagingBytes { get; init; } = 16L << 20;

    /// <summary>
    /// A host's own stream (<see cref="CudaStream.FromHandle"/>), which the backend shares and does not dispose: what the host
    /// put in before is done before. Null makes one. The legacy default stream works, without graphs.
    /// </summary>
    public CudaStream? Stream { get; init; }

    /// <summary>Rows of a step of a prompt: each step reads all experts' weights.</summary>
    public int StepRows { get; init; } = 4096;

    /// <summary>Steps of up to this many rows become graphs when they repeat.</summary>
    public int GraphRows { get; init; } = 64;

    /// <summary>Graphs that are kept, each for one shape of step.</summary>
    public int MaxGraphs { get; init; } = 32;

    /// <summary>
    /// Weights get their place on the device but are neither read nor sent: for plans of what a model would launch. What such a
    /// backend computes means nothing.
    /// </summary>
    public bool WithoutWeights { get; init; }
}
