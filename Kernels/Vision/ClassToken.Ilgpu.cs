using ILGPU;

namespace Llama4Kernels.Kernels.Vision;

/// <summary>Class token and learned positions on the device.</summary>
public static class ClassTokenIlgpu
{
    /// <summary>
    /// Group (row of x): patches [tiles·(rows−1), columns], classToken [columns], positions [rows, columns] → x [tiles·rows,
    /// columns], the class token last in each tile.
    /// </summary>
    public static void Run(ArrayView<float> patches, ArrayView<float> classToken, ArrayView<float> positions, ArrayView<float> x, int rows, int columns)
    {
        long tile = Grid.IdxX / rows;
        int row = Grid.IdxX % rows;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            float value = row == rows - 1 ? classToken[c] : patches[(tile * (rows - 1) + row) * columns + c];
            x[(long)Grid.IdxX * columns + c] = value + positions[(long)row * columns + c];
        }
    }
}
