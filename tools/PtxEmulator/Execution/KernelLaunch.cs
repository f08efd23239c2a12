using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>Runs a grid.</summary>
internal static class KernelLaunch
{
    /// <param name="kernel">The kernel.</param>
    /// <param name="grid">Blocks.</param>
    /// <param name="block">Threads of a block.</param>
    /// <param name="dynamicShared">Bytes of dynamic shared memory.</param>
    /// <param name="parameters">The parameter block, <see cref="PtxKernel.ParameterBytes"/> bytes.</param>
    /// <param name="options">How.</param>
    /// <exception cref="PtxFindingException">Something is wrong with the kernel.</exception>
    /// <exception cref="PtxNotImplementedException">The kernel has an instruction that is not executed.</exception>
    public static LaunchCounters Run(PtxKernel kernel, CudaDim3 grid, CudaDim3 block, int dynamicShared, ReadOnlySpan<byte> parameters, LaunchOptions options) =>
        throw new NotImplementedException();
}
