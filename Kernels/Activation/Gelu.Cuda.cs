using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Activation;

internal static partial class Gelu
{
    internal static readonly KernelOption[] Kernels = [KernelOption.Only("Gelu", "gelu", "a thread per element, strided")];

    /// <summary>As the overload for the CPU, on a device.</summary>
    public static void Run(CudaQueue queue, Tensor x) =>
        queue.Call("gelu").View(x).Value(x.Elements).Run(ResidualAdd.GridFor(x.Elements));
}
