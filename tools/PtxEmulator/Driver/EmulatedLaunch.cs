using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Execution;

namespace Llama4Kernels.PtxEmulator.Driver;

/// <summary>A launch that ran to its end.</summary>
/// <param name="Kernel">Name of the entry.</param>
/// <param name="Grid">Blocks.</param>
/// <param name="Block">Threads of a block.</param>
/// <param name="Counters">What it did.</param>
public sealed record EmulatedLaunch(string Kernel, CudaDim3 Grid, CudaDim3 Block, LaunchCounters Counters);
