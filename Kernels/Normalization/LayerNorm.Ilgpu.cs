using ILGPU;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Normalization;

/// <summary>Layer norm on the device: the mean first, then the squares of the differences, so that nothing cancels.</summary>
public static class LayerNormIlgpu
{
    /// <summary>Group (row): x, output [T, columns], which may be the same memory; weight and bias [columns].</summary>
    public static void Run(ArrayView<float> x, ArrayView<float> weight, ArrayView<float> bias, ArrayView<float> output, int columns, float eps)
    {
        ArrayView<float> scratch = SharedMemory.Allocate<float>(GroupReduce.MaxThreads);
        long row = (long)Grid.IdxX * columns;
        float sum = 0f;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            sum += x[row + c];
        }
        float mean = GroupReduce.Sum(sum, scratch) / columns;
        float squares = 0f;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            float difference = x[row + c] - mean;
            squares += difference * difference;
        }
        squares = GroupReduce.Sum(squares, scratch);
        float scale = 1f / MathF.Sqrt(squares / columns + eps);
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            output[row + c] = (x[row + c] - mean) * scale * weight[c] + bias[c];
        }
    }
}
