using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Vision;

/// <summary><see cref="ClassToken"/> on a device.</summary>
internal static unsafe class ClassTokenCuda
{
    internal static readonly KernelOption[] Kernels = [new("AppendClassTokenAndPositions", "append_class_token", "a group per row")];

    /// <summary>As <see cref="ClassToken.Run"/>, on a device.</summary>
    /// <exception cref="ArgumentException">Shapes differ.</exception>
    public static void Run(CudaQueue queue, Tensor patches, Tensor classToken, Tensor positions, int tiles, Tensor x)
    {
        ClassToken.Check(MemoryPlace.Device, patches, classToken, positions, tiles, x);
        queue.Call("append_class_token").View(patches).View(classToken).View(positions).View(x).Value(positions.Rows).Value(x.Columns)
            .Run(new(x.Rows), KernelCall.ThreadsFor(x.Columns));
    }
}
