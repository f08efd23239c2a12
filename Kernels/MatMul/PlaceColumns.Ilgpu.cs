using ILGPU;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>Puts the outputs of a part of a weight, stacked of formats that stay apart, where they belong among those of all.</summary>
public static class PlaceColumnsIlgpu
{
    /// <summary>Group (row): y[row, first + c] = x[row, c]. x [T, columns], y [T, stride].</summary>
    public static void Run(ArrayView<float> x, ArrayView<float> y, int columns, int stride, int first)
    {
        long from = (long)Grid.IdxX * columns, to = (long)Grid.IdxX * stride + first;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            y[to + c] = x[from + c];
        }
    }
}
