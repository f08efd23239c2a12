using ILGPU;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Normalization;

/// <summary>RMS norm on the device. Sums are float32 in a fixed tree.</summary>
public static class RmsNormIlgpu
{
    /// <summary>Group (row): x, output [T, columns], which may be the same memory; weight [columns].</summary>
    public static void Run(ArrayView<float> x, ArrayView<float> weight, ArrayView<float> output, int columns, float eps)
    {
        ArrayView<float> scratch = SharedMemory.Allocate<float>(GroupReduce.MaxThreads);
        long row = (long)Grid.IdxX * columns;
        float squares = 0f;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            float value = x[row + c];
            squares += value * value;
        }
        squares = GroupReduce.Sum(squares, scratch);
        float scale = 1f / MathF.Sqrt(squares / columns + eps);
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            output[row + c] = x[row + c] * scale * weight[c];
        }
    }
}
