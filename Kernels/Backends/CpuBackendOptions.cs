using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Backends;

/// <summary>How a <see cref="CpuBackend"/> runs.</summary>
public sealed record CpuBackendOptions
{
    /// <summary>Threads that share the work, at most <see cref="ThreadTeam.MaxThreads"/>; 0 for one per core that the process may use. No more work at a time than there are processors.</summary>
    public int Threads { get; init; }

    /// <summary>Precision of activations in matrix products.</summary>
    public ActivationPrecision Precision { get; init; } = ActivationPrecision.Float32;

    /// <summary>Forces an implementation of the matrix product; null takes the best this machine has.</summary>
    public MatMulStrategy? MatMul { get; init; }
}
