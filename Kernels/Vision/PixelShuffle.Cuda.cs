using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Vision;

/// <summary><see cref="PixelShuffle"/> on a device.</summary>
internal static unsafe class PixelShuffleCuda
{
    internal static readonly KernelOption[] Kernels = [new("PixelShuffle", "pixel_shuffle", "a group per output row")];

    /// <summary>As <see cref="PixelShuffle.Run"/>, on a device.</summary>
    /// <exception cref="ArgumentException">Shapes differ, or the grid is odd.</exception>
    public static void Run(CudaQueue queue, Tensor x, int tiles, int grid, Tensor output)
    {
        PixelShuffle.Check(MemoryPlace.Device, x, tiles, grid, output);
        queue.Call("pixel_shuffle").View(x).View(output).Value(grid).Value(x.Columns).Run(new(output.Rows), KernelCall.ThreadsFor(output.Columns));
    }
}
