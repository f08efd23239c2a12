using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Execution;

namespace Llama4Kernels.PtxEmulator.Driver;

/// <summary>A launch that a plan noted: <see cref="Counting.LaunchSample"/> says what it would do.</summary>
public sealed class PlannedLaunch
{
    private readonly KernelWork _work;

    internal PlannedLaunch(KernelWork work) => _work = work;

    /// <summary>Name of the entry.</summary>
    public string Name => Kernel.Name;

    /// <summary>Blocks.</summary>
    public CudaDim3 Grid => _work.Config.Grid;

    /// <summary>Threads of a block.</summary>
    public CudaDim3 Block => _work.Config.Block;

    /// <summary>Bytes of dynamic shared memory.</summary>
    public int DynamicShared => _work.Config.SharedBytes;

    /// <summary>Bytes of shared memory, static and dynamic.</summary>
    public int SharedBytes => Kernel.SharedBytes + DynamicShared;

    /// <summary>With programmatic dependent launch.</summary>
    public bool IsDependentLaunch => _work.Config.ProgrammaticSerialization;

    /// <summary>The parameter block.</summary>
    public ReadOnlyMemory<byte> Parameters => _work.Parameters;

    internal PtxKernel Kernel => _work.Function.Kernel;
}
