using ILGPU;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>How a stored weight becomes a float32.</summary>
public interface IWeightDecoder<in T>
{
    /// <summary>The value, exact.</summary>
    float Decode(T stored);
}

/// <summary>float32 as it is.</summary>
public readonly struct F32Decoder : IWeightDecoder<float>
{
    /// <inheritdoc/>
    public float Decode(float stored) => stored;
}

/// <summary>bfloat16 bits.</summary>
public readonly struct Bf16Decoder : IWeightDecoder<ushort>
{
    /// <inheritdoc/>
    public float Decode(ushort stored) => DeviceMath.FromBf16(stored);
}

/// <summary>FP8 E4M3 codes.</summary>
public readonly struct Fp8Decoder : IWeightDecoder<byte>
{
    /// <inheritdoc/>
    public float Decode(byte stored) => DeviceMath.FromFp8(stored);
}

/// <summary>
/// y = x·Wᵀ on the device: x [T, inner] float32, w [outputs, inner] row-major, y [T, outputs]. bias and scales [outputs] (a
/// factor per row of w) may be empty views. Products and sums are float32.
/// </summary>
public static class MatMulIlgpu
{
    private const int TileK = 16;
    private const int Pitch = 68;

    /// <summary>Group (output, token): a dot product over the group's threads; for few tokens.</summary>
    public static void VectorF32(ArrayView<float> x, ArrayView<float> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int outputs, int inner) =>
        Vector<float, F32Decoder>(x, w, scales, bias, y, outputs, inner);

    /// <summary>As <see cref="VectorF32"/> for bf16 bits.</summary>
    public static void VectorBf16(ArrayView<float> x, ArrayView<ushort> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int outputs, int inner) =>
        Vector<ushort, Bf16Decoder>(x, w, scales, bias, y, outputs, inner);

    /// <summary>As <see cref="VectorF32"/> for FP8 codes.</summary>
    public static void VectorFp8(ArrayView<float> x, ArrayView<byte> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int outputs, int inner) =>
        Vector<byte, Fp8Decoder>(x, w, scales, bias, y, outputs, inner);

    /// <summary>
    /// Group (tile of 4·side outputs, tile of 4·side tokens) of side² threads, side ≤ 16 being the group's <c>DimY</c>; a
    /// thread makes 4 × 4 results.
    /// </summary>
    public static void TiledF32(ArrayView<float> x, ArrayView<float> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner) =>
        Tiled<float, F32Decoder>(x, w, scales, bias, y, 0, tokens, outputs, inner);

    /// <summary>As <see cref="TiledF32"/> for bf16 bits.</summary>
    public static void TiledBf16(ArrayView<float> x, ArrayView<ushort> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner) =>
        Tiled<ushort, Bf16Decoder>(x, w, scales, bias, y, 0, tokens, outputs, inner);

    /// <summary>As <see cref="TiledF32"/> for FP8 codes.</summary>
    public static void TiledFp8(ArrayView<float> x, ArrayView<byte> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner) =>
        Tiled<byte, Fp8Decoder>(x, w, scales, bias, y, 0, tokens, outputs, inner);

    /// <summary>
    /// As <see cref="TiledF32"/> for the rows starts[expert] … starts[expert + 1] of x and y: the grid may be as large as all
    /// rows need, groups beyond the expert's rows end at once.
    /// </summary>
    public static void ExpertF32(ArrayView<float> x, ArrayView<float> w, ArrayView<float> scales, ArrayView<int> starts, ArrayView<float> y, int expert, int outputs, int inner) =>
        Tiled<float, F32Decoder>(x, w, scales, ArrayView<float>.Empty, y, starts[expert], starts[expert + 1], outputs, inner);

    /// <summary>As <see cref="ExpertF32"/> for bf16 bits.</summary>
    public static void ExpertBf16(ArrayView<float> x, ArrayView<ushort> w, ArrayView<float> scales, ArrayView<int> starts, ArrayView<float> y, int expert, int outputs, int inner) =>
        Tiled<ushort, Bf16Decoder>(x, w, scales, ArrayView<float>.Empty, y, starts[expert], starts[expert + 1], outputs, inner);

    /// <summary>As <see cref="ExpertF32"/> for FP8 codes.</summary>
    public static void ExpertFp8(ArrayView<float> x, ArrayView<byte> w, ArrayView<float> scales, ArrayView<int> starts, ArrayView<float> y, int expert, int outputs, int inner) =>
        Tiled<byte, Fp8Decoder>(x, w, scales, ArrayView<float>.Empty, y, starts[expert], starts[expert + 1], outputs, inner);

    private static void Vector<T, TDecoder>(ArrayView<float> x, ArrayView<T> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int outputs, int inner)
        where T : unmanaged
        where TDecoder : struct, IWeightDecoder<T>
    {
        ArrayView<float> scratch = SharedMemory.Allocate<float>(GroupReduce.MaxThreads);
        TDecoder decoder = default;
        long output = Grid.IdxX;
        long token = Grid.IdxY;
        float sum = 0f;
        for (int k = Group.IdxX; k < inner; k += Group.DimX)
        {
            sum += x[token * inner + k] * decoder.Decode(w[output * inner + k]);
        }
        sum = GroupReduce.Sum(sum, scratch);
        if (Group.IdxX == 0)
        {
            Store(y, scales, bias, token, output, outputs, sum);
        }
    }

    private static void Tiled<T, TDecoder>(ArrayView<float> x, ArrayView<T> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int firstRow, int endRow, int outputs, int inner)
        where T : unmanaged
        where TDecoder : struct, IWeightDecoder<T>
    {
        ArrayView<float> a = SharedMemory.Allocate<float>(TileK * Pitch);
        ArrayView<float> b = SharedMemory.Allocate<float>(TileK * Pitch);
        TDecoder decoder = default;
        int side = Group.DimY;
        int extent = 4 * side;
        int thread = Group.IdxY * side + Group.IdxX;
        int threads = side * side;
        long token0 = firstRow + (long)Grid.IdxY * extent;
        long output0 = (long)Grid.IdxX * extent;
        if (token0 >= endRow)
        {
            return;
        }
        float c00 = 0f, c01 = 0f, c02 = 0f, c03 = 0f, c10 = 0f, c11 = 0f, c12 = 0f, c13 = 0f;
        float c20 = 0f, c21 = 0f, c22 = 0f, c23 = 0f, c30 = 0f, c31 = 0f, c32 = 0f, c33 = 0f;
        for (int k0 = 0; k0 < inner; k0 += TileK)
        {
            for (int i = thread; i < TileK * extent; i += threads)
            {
                int k = i % TileK;
                int row = i / TileK;
                bool inside = k0 + k < inner;
                a[k * Pitch + row] = inside && token0 + row < endRow ? x[(token0 + row) * inner + k0 + k] : 0f;
                b[k * Pitch + row] = inside && output0 + row < outputs ? decoder.Decode(w[(output0 + row) * inner + k0 + k]) : 0f;
            }
            Group.Barrier();
            for (int k = 0; k < TileK; k++)
            {
                int rowA = k * Pitch + Group.IdxY;
                int rowB = k * Pitch + Group.IdxX;
                float a0 = a[rowA], a1 = a[rowA + side], a2 = a[rowA + 2 * side], a3 = a[rowA + 3 * side];
                float b0 = b[rowB], b1 = b[rowB + side], b2 = b[rowB + 2 * side], b3 = b[rowB + 3 * side];
                c00 += a0 * b0; c01 += a0 * b1; c02 += a0 * b2; c03 += a0 * b3;
                c10 += a1 * b0; c11 += a1 * b1; c12 += a1 * b2; c13 += a1 * b3;
                c20 += a2 * b0; c21 += a2 * b1; c22 += a2 * b2; c23 += a2 * b3;
                c30 += a3 * b0; c31 += a3 * b1; c32 += a3 * b2; c33 += a3 * b3;
            }
            Group.Barrier();
        }
        long token = token0 + Group.IdxY;
        long output = output0 + Group.IdxX;
        StoreRow(y, scales, bias, token, endRow, output, side, outputs, c00, c01, c02, c03);
        StoreRow(y, scales, bias, token + side, endRow, output, side, outputs, c10, c11, c12, c13);
        StoreRow(y, scales, bias, token + 2 * side, endRow, output, side, outputs, c20, c21, c22, c23);
        StoreRow(y, scales, bias, token + 3 * side, endRow, output, side, outputs, c30, c31, c32, c33);
    }

    private static void StoreRow(ArrayView<float> y, ArrayView<float> scales, ArrayView<float> bias, long token, int endRow, long output, int side, int outputs, float c0, float c1, float c2, float c3)
    {
        if (token < endRow)
        {
            Store(y, scales, bias, token, output, outputs, c0);
            Store(y, scales, bias, token, output + side, outputs, c1);
            Store(y, scales, bias, token, output + 2 * side, outputs, c2);
            Store(y, scales, bias, token, output + 3 * side, outputs, c3);
        }
    }

    private static void Store(ArrayView<float> y, ArrayView<float> scales, ArrayView<float> bias, long token, long output, int outputs, float sum)
    {
        if (output < outputs)
        {
            float value = scales.Length > 0 ? sum * scales[output] : sum;
            y[token * outputs + output] = bias.Length > 0 ? value + bias[output] : value;
        }
    }
}
