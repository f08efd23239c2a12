using ILGPU;

namespace Llama4Kernels.Kernels.Vision;

/// <summary>The merge of 2×2 patches on the device.</summary>
public static class PixelShuffleIlgpu
{
    /// <summary>Group (row of output): x [tiles·(grid²+1), columns] → output [tiles·(grid/2)², 4·columns], class tokens dropped.</summary>
    public static void Run(ArrayView<float> x, ArrayView<float> output, int grid, int columns)
    {
        int half = grid / 2;
        long tile = Grid.IdxX / (half * half);
        int row = Grid.IdxX / half % half;
        int column = Grid.IdxX % half;
        for (int c = Group.IdxX; c < 4 * columns; c += Group.DimX)
        {
            int part = c / columns;
            long source = tile * (grid * grid + 1) + (2 * row + part / 2) * grid + 2 * column + part % 2;
            output[(long)Grid.IdxX * 4 * columns + c] = x[source * columns + c % columns];
        }
    }
}
