using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Normalization;

/// <summary><see cref="RmsNorm"/> on a device.</summary>
internal static class RmsNormCuda
{
    internal static readonly KernelOption[] Kernels = [new("RmsNorm", "rms_norm", "a group per row")];

    /// <summary>As <see cref="RmsNorm.Run"/>, on a device; sums are float32.</summary>
    /// <exception cref="ArgumentException">Shapes differ.</exception>
    public static void Run(CudaQueue queue, Tensor x, Tensor weight, float eps, Tensor output)
    {
        RmsNorm.Check(MemoryPlace.Device, x, weight, output);
        queue.Call("rms_norm").View(x).View(weight).View(output).Value(x.Columns).Value(eps).Run(new(x.Rows), KernelCall.ThreadsFor(x.Columns));
    }
}
