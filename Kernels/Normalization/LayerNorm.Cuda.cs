using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Normalization;

/// <summary><see cref="LayerNorm"/> on a device.</summary>
internal static class LayerNormCuda
{
    internal static readonly KernelOption[] Kernels = [new("LayerNorm", "layer_norm", "a group per row")];

    /// <summary>As <see cref="LayerNorm.Run"/>, on a device; sums are float32.</summary>
    /// <exception cref="ArgumentException">Shapes differ.</exception>
    public static void Run(CudaQueue queue, Tensor x, Tensor weight, Tensor bias, float eps, Tensor output)
    {
        LayerNorm.Check(MemoryPlace.Device, x, weight, bias, output);
        queue.Call("layer_norm").View(x).View(weight).View(bias).View(output).Value(x.Columns).Value(eps).Run(new(x.Rows), KernelCall.ThreadsFor(x.Columns));
    }
}
