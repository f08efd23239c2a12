using ILGPU;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Activations to FP8 on the device, by the rules of the processor's quantiser.</summary>
public static class QuantiserIlgpu
{
    private const float Largest = 448f;
    private const float Floor = 1f / (448f * 512f);

    /// <summary>
    /// Group (row): scale = max(min(max|x|, bound) / 448, floor), codes = E4M3(x / scale), saturating. A NaN gets a NaN code
    /// and does not count in the maximum. x, codes [T, columns], scales [T].
    /// </summary>
    public static void Fp8Rows(ArrayView<float> x, ArrayView<byte> codes, ArrayView<float> scales, int columns, float bound)
    {
        ArrayView<float> scratch = SharedMemory.Allocate<float>(GroupReduce.MaxThreads);
        long row = (long)Grid.IdxX * columns;
        float largest = 0f;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            float value = x[row + c];
            largest = GroupReduce.Larger(largest, value < 0f ? -value : value);
        }
        largest = GroupReduce.Max(largest, scratch);
        float scale = (largest < bound ? largest : bound) / Largest;
        scale = scale > Floor ? scale : Floor;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            codes[row + c] = DeviceMath.ToFp8(x[row + c] / scale);
        }
        if (Group.IdxX == 0)
        {
            scales[Grid.IdxX] = scale;
        }
    }
}
