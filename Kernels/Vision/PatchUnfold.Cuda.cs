using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Vision;

/// <summary><see cref="PatchUnfold"/> on a device.</summary>
internal static unsafe class PatchUnfoldCuda
{
    internal static readonly KernelOption[] Kernels = [new("UnfoldPatches", "unfold_patches", "a group per patch")];

    /// <summary>As <see cref="PatchUnfold.Run"/>, on a device; the pixels are sent there.</summary>
    /// <exception cref="ArgumentException">Sizes do not agree.</exception>
    public static void Run(CudaQueue queue, ReadOnlySpan<ushort> pixels, int tiles, int channels, int size, int patch, Tensor output)
    {
        PatchUnfold.Check(MemoryPlace.Device, pixels, tiles, channels, size, patch, output);
        if (tiles > 0)
        {
            queue.Call("unfold_patches").View(queue.Put(pixels), pixels.Length).View(output).Value(channels).Value(size).Value(patch)
                .Run(new(output.Rows), KernelCall.ThreadsFor(output.Columns));
        }
    }
}
