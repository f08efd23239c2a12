using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Activation;

/// <summary><see cref="ResidualAdd"/> on a device.</summary>
internal static class ResidualAddCuda
{
    internal static readonly KernelOption[] Kernels = [new("Add", "residual_add", "a thread per element, strided")];

    private const int MostGroups = 4096;

    /// <summary>As <see cref="ResidualAdd.Run"/>, on a device.</summary>
    /// <exception cref="ArgumentException">Shapes differ.</exception>
    public static void Run(CudaQueue queue, Tensor x, Tensor destination)
    {
        ResidualAdd.Check(MemoryPlace.Device, x, destination);
        queue.Call("residual_add").View(x).View(destination).Value(x.Elements).Run(GridFor(x.Elements));
    }

    /// <summary>Groups for kernels that stride over all elements.</summary>
    internal static CudaDim3 GridFor(long elements) =>
        new((int)Math.Min(MostGroups, (elements + KernelCall.Threads - 1) / KernelCall.Threads));
}
