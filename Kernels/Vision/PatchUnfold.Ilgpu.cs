using ILGPU;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Vision;

/// <summary>Patches of square tiles on the device.</summary>
public static class PatchUnfoldIlgpu
{
    /// <summary>Group (patch): pixels bf16 [tiles, channels, size, size]; output [tiles·g², channels·patch²], g = size / patch.</summary>
    public static void Run(ArrayView<ushort> pixels, ArrayView<float> output, int channels, int size, int patch)
    {
        int grid = size / patch;
        int columns = channels * patch * patch;
        long tile = Grid.IdxX / (grid * grid);
        int row = Grid.IdxX / grid % grid * patch;
        int column = Grid.IdxX % grid * patch;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            int channel = c / (patch * patch);
            int y = row + c / patch % patch;
            int x = column + c % patch;
            output[(long)Grid.IdxX * columns + c] = DeviceMath.FromBf16(pixels[((tile * channels + channel) * size + y) * size + x]);
        }
    }
}
