using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Backends.Cuda;

/// <summary>What computes a product, for people.</summary>
/// <param name="Gemm">The product.</param>
/// <param name="Kernel">The kernel.</param>
/// <param name="Layout">Layout of the weights, chosen when they are packed.</param>
/// <param name="SharedBytes">Dynamic shared memory of a block.</param>
/// <param name="SharedLimit">Most that the device has for a block.</param>
/// <param name="Grid">Blocks.</param>
/// <param name="Block">Threads of a block.</param>
/// <param name="Reason">When it is taken and why then.</param>
/// <param name="Passed">The records before it in the list, each with why it was passed by.</param>
public sealed record ProductChoice(GemmDesc Gemm, string Kernel, string Layout, int SharedBytes, int SharedLimit, CudaDim3 Grid, CudaDim3 Block, string Reason, IReadOnlyList<string> Passed);
