using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Activation;

/// <summary><see cref="Gelu"/> on a device.</summary>
internal static class GeluCuda
{
    internal static readonly KernelOption[] Kernels = [new("Gelu", "gelu", "a thread per element, strided")];

    /// <summary>As <see cref="Gelu.Run"/>, on a device.</summary>
    /// <exception cref="ArgumentException">Not float32 on a device.</exception>
    public static void Run(CudaQueue queue, Tensor x)
    {
        Gelu.Check(MemoryPlace.Device, x);
        queue.Call("gelu").View(x).Value(x.Elements).Run(ResidualAddCuda.GridFor(x.Elements));
    }
}
