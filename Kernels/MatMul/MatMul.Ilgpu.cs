using ILGPU;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// y = x·Wᵀ on the device: x [T, inner] float32 or FP8 codes, w [outputs, inner] row-major, y [T, outputs]. bias [outputs] may
/// be an empty view, as may scales of any format but int4. Products and sums are float32; scales of rows are applied to sums.
/// </summary>
public static class MatMulIlgpu
{
    private const int TileK = TileRows.Columns;
    private const int Pitch = TileRows.Pitch;
    private const int VectorTokens = 4;

    /// <summary>Group (output, four tokens): dot products over the group's threads, each weight read once; for few tokens.</summary>
    public static void VectorF32(ArrayView<float> x, ArrayView<float> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner) =>
        Vector<float, F32Decoder, float, F32Decoder>(x, ArrayView<float>.Empty, w, scales, bias, y, tokens, outputs, inner);

    /// <summary>As <see cref="VectorF32"/> for bf16 bits.</summary>
    public static void VectorBf16(ArrayView<float> x, ArrayView<ushort> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner) =>
        Vector<float, F32Decoder, ushort, Bf16Decoder>(x, ArrayView<float>.Empty, w, scales, bias, y, tokens, outputs, inner);

    /// <summary>As <see cref="VectorF32"/> for FP8 codes.</summary>
    public static void VectorFp8(ArrayView<float> x, ArrayView<byte> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner) =>
        Vector<float, F32Decoder, byte, Fp8Decoder>(x, ArrayView<float>.Empty, w, scales, bias, y, tokens, outputs, inner);

    /// <summary>As <see cref="VectorF32"/> for int4 codes with scales [outputs, inner / 128].</summary>
    public static void VectorInt4(ArrayView<float> x, ArrayView<byte> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner) =>
        Vector<float, F32Decoder, byte, Int4Decoder>(x, ArrayView<float>.Empty, w, scales, bias, y, tokens, outputs, inner);

    /// <summary>As <see cref="VectorFp8"/> for x in FP8 codes with a scale a row.</summary>
    public static void VectorFp8Activations(ArrayView<byte> x, ArrayView<float> xScales, ArrayView<byte> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner) =>
        Vector<byte, Fp8Decoder, byte, Fp8Decoder>(x, xScales, w, scales, bias, y, tokens, outputs, inner);

    /// <summary>
    /// Group (tile of 4·side outputs, tile of 4·side tokens) of side² threads, side ≤ 16 being the group's <c>DimY</c>; a
    /// thread makes 4 × 4 results.
    /// </summary>
    public static void TiledF32(ArrayView<float> x, ArrayView<float> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner) =>
        Tiled(new StoredRows<float, F32Decoder>(x, ArrayView<float>.Empty), new StoredRows<float, F32Decoder>(w, scales), bias, y, 0, tokens, 0, outputs, inner);

    /// <summary>As <see cref="TiledF32"/> for bf16 bits.</summary>
    public static void TiledBf16(ArrayView<float> x, ArrayView<ushort> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner) =>
        Tiled(new StoredRows<float, F32Decoder>(x, ArrayView<float>.Empty), new StoredRows<ushort, Bf16Decoder>(w, scales), bias, y, 0, tokens, 0, outputs, inner);

    /// <summary>As <see cref="TiledF32"/> for FP8 codes.</summary>
    public static void TiledFp8(ArrayView<float> x, ArrayView<byte> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner) =>
        Tiled(new StoredRows<float, F32Decoder>(x, ArrayView<float>.Empty), new StoredRows<byte, Fp8Decoder>(w, scales), bias, y, 0, tokens, 0, outputs, inner);

    /// <summary>As <see cref="TiledF32"/> for int4 codes.</summary>
    public static void TiledInt4(ArrayView<float> x, ArrayView<byte> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner) =>
        Tiled(new StoredRows<float, F32Decoder>(x, ArrayView<float>.Empty), new StoredRows<byte, Int4Decoder>(w, scales), bias, y, 0, tokens, 0, outputs, inner);

    /// <summary>As <see cref="TiledFp8"/> for x in FP8 codes with a scale a row.</summary>
    public static void TiledFp8Activations(ArrayView<byte> x, ArrayView<float> xScales, ArrayView<byte> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner) =>
        Tiled(new StoredRows<byte, Fp8Decoder>(x, xScales), new StoredRows<byte, Fp8Decoder>(w, scales), bias, y, 0, tokens, 0, outputs, inner);

    /// <summary>
    /// One output of up to <see cref="VectorTokens"/> tokens from row <paramref name="token"/> of x on, with row
    /// <paramref name="weightRow"/> of w. Every thread of the group takes part.
    /// </summary>
    internal static void Dot<TX, TXDecoder, TW, TWDecoder>(ArrayView<TX> x, ArrayView<float> xScales, ArrayView<TW> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, long token, int count, long weightRow, int output, int outputs, int inner)
        where TX : unmanaged
        where TXDecoder : struct, IDecoder<TX>
        where TW : unmanaged
        where TWDecoder : struct, IDecoder<TW>
    {
        ArrayView<float> scratch = SharedMemory.Allocate<float>(GroupReduce.MaxThreads);
        TXDecoder left = default;
        TWDecoder right = default;
        long weights = weightRow * inner;
        // A missing token repeats the last one and is not stored.
        long x0 = token * inner;
        long x1 = count > 1 ? x0 + inner : x0;
        long x2 = count > 2 ? x1 + inner : x1;
        long x3 = count > 3 ? x2 + inner : x2;
        float s0 = 0f, s1 = 0f, s2 = 0f, s3 = 0f;
        int quads = inner % 4 == 0 ? inner : 0;
        int end = count > 1 ? quads : 0;
        for (int k = 4 * Group.IdxX; k < end; k += 4 * Group.DimX)
        {
            Float4 weight = right.Quad(w, scales, weights + k);
            s0 += weight.Dot(left.Quad(x, xScales, x0 + k));
            s1 += weight.Dot(left.Quad(x, xScales, x1 + k));
            s2 += weight.Dot(left.Quad(x, xScales, x2 + k));
            s3 += weight.Dot(left.Quad(x, xScales, x3 + k));
        }
        // One token, the usual case: a loop of its own without the others' sums.
        for (int k = 4 * Group.IdxX + end; k < quads; k += 4 * Group.DimX)
        {
            s0 += right.Quad(w, scales, weights + k).Dot(left.Quad(x, xScales, x0 + k));
        }
        for (int k = quads + Group.IdxX; k < inner; k += Group.DimX)
        {
            float weight = right.One(w, scales, weights + k);
            s0 += weight * left.One(x, xScales, x0 + k);
            s1 += weight * left.One(x, xScales, x1 + k);
            s2 += weight * left.One(x, xScales, x2 + k);
            s3 += weight * left.One(x, xScales, x3 + k);
        }
        s0 = GroupReduce.Sum(s0, scratch);
        if (count > 1)
        {
            s1 = GroupReduce.Sum(s1, scratch);
            s2 = GroupReduce.Sum(s2, scratch);
            s3 = GroupReduce.Sum(s3, scratch);
        }
        for (int i = Group.IdxX; i < count; i += Group.DimX)
        {
            float sum = i == 0 ? s0 : i == 1 ? s1 : i == 2 ? s2 : s3;
            Store(y, bias, token + i, output, outputs, sum * right.RowScale(scales, weightRow) * left.RowScale(xScales, token + i));
        }
    }

    /// <summary>The product of rows <paramref name="firstRow"/> … <paramref name="endRow"/> of x with the rows of w from <paramref name="weightRow"/> on.</summary>
    internal static void Tiled<TX, TW>(TX x, TW w, ArrayView<float> bias, ArrayView<float> y, int firstRow, int endRow, long weightRow, int outputs, int inner)
        where TX : struct, ITileRows
        where TW : struct, ITileRows
    {
        // [k, row]: a thread's four rows lie together.
        ArrayView<Float4> a = SharedMemory.Allocate<Float4>(TileK * Pitch);
        ArrayView<Float4> b = SharedMemory.Allocate<Float4>(TileK * Pitch);
        int side = Group.DimY;
        long token0 = firstRow + (long)Grid.IdxY * 4 * side;
        int output0 = Grid.IdxX * 4 * side;
        if (token0 >= endRow)
        {
            return;
        }
        Float4 c0 = default, c1 = default, c2 = default, c3 = default;
        for (int k0 = 0; k0 < inner; k0 += TileK)
        {
            x.Fill(a, token0, endRow, k0, inner);
            w.Fill(b, weightRow + output0, weightRow + outputs, k0, inner);
            Group.Barrier();
            int rowA = Group.IdxY;
            int rowB = Group.IdxX;
            for (int k = 0; k < TileK; k += 4)
            {
                // Written out: each turn of a loop copies the sixteen sums.
                Float4 a0 = a[rowA], b0 = b[rowB];
                c0 = c0.Add(a0.A, b0); c1 = c1.Add(a0.B, b0); c2 = c2.Add(a0.C, b0); c3 = c3.Add(a0.D, b0);
                Float4 a1 = a[rowA + Pitch], b1 = b[rowB + Pitch];
                c0 = c0.Add(a1.A, b1); c1 = c1.Add(a1.B, b1); c2 = c2.Add(a1.C, b1); c3 = c3.Add(a1.D, b1);
                Float4 a2 = a[rowA + 2 * Pitch], b2 = b[rowB + 2 * Pitch];
                c0 = c0.Add(a2.A, b2); c1 = c1.Add(a2.B, b2); c2 = c2.Add(a2.C, b2); c3 = c3.Add(a2.D, b2);
                Float4 a3 = a[rowA + 3 * Pitch], b3 = b[rowB + 3 * Pitch];
                c0 = c0.Add(a3.A, b3); c1 = c1.Add(a3.B, b3); c2 = c2.Add(a3.C, b3); c3 = c3.Add(a3.D, b3);
                rowA += 4 * Pitch;
                rowB += 4 * Pitch;
            }
            Group.Barrier();
        }
        long token = token0 + 4 * Group.IdxY;
        int output = output0 + 4 * Group.IdxX;
        StoreRow(x, w, bias, y, token, endRow, weightRow, output, outputs, c0);
        StoreRow(x, w, bias, y, token + 1, endRow, weightRow, output, outputs, c1);
        StoreRow(x, w, bias, y, token + 2, endRow, weightRow, output, outputs, c2);
        StoreRow(x, w, bias, y, token + 3, endRow, weightRow, output, outputs, c3);
    }

    private static void Vector<TX, TXDecoder, TW, TWDecoder>(ArrayView<TX> x, ArrayView<float> xScales, ArrayView<TW> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner)
        where TX : unmanaged
        where TXDecoder : struct, IDecoder<TX>
        where TW : unmanaged
        where TWDecoder : struct, IDecoder<TW>
    {
        int token = VectorTokens * Grid.IdxY;
        int left = tokens - token;
        Dot<TX, TXDecoder, TW, TWDecoder>(x, xScales, w, scales, bias, y, token, left < VectorTokens ? left : VectorTokens, Grid.IdxX, Grid.IdxX, outputs, inner);
    }

    private static void StoreRow<TX, TW>(TX x, TW w, ArrayView<float> bias, ArrayView<float> y, long token, int endRow, long weightRow, int output, int outputs, Float4 sums)
        where TX : struct, ITileRows
        where TW : struct, ITileRows
    {
        if (token < endRow)
        {
            float factor = x.RowScale(token);
            StoreScaled(w, bias, y, token, weightRow, output, outputs, factor, sums.A);
            StoreScaled(w, bias, y, token, weightRow, output + 1, outputs, factor, sums.B);
            StoreScaled(w, bias, y, token, weightRow, output + 2, outputs, factor, sums.C);
            StoreScaled(w, bias, y, token, weightRow, output + 3, outputs, factor, sums.D);
        }
    }

    private static void StoreScaled<TW>(TW w, ArrayView<float> bias, ArrayView<float> y, long token, long weightRow, int output, int outputs, float factor, float sum)
        where TW : struct, ITileRows
    {
        if (output < outputs)
        {
            Store(y, bias, token, output, outputs, sum * w.RowScale(weightRow + output) * factor);
        }
    }

    private static void Store(ArrayView<float> y, ArrayView<float> bias, long token, int output, int outputs, float value) =>
        y[token * outputs + output] = bias.Length > 0 ? value + bias[output] : value;
}
