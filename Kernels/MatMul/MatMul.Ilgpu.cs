using ILGPU;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// y = x·Wᵀ on the device: x [T, inner] float32 or FP8 codes, w [outputs, inner] row-major, y [T, outputs]. bias [outputs] may
/// be an empty view, as may scales of any format but int4. Products and sums are float32; scales of rows are applied to sums.
/// <para>
/// Both forms add up an output in one order, so that a row of x gives the same bits in either: four columns, a quad, belong to
/// class quad mod N, N being the threads of a group of the vector form; a class adds its columns in rising order; four
/// neighbouring classes are (c0 + c1) + (c2 + c3), and those sums, <c>sets</c> = N / 4 of them, are added in rising order.
/// </para>
/// </summary>
public static class MatMulIlgpu
{
    private const int VectorTokens = 4;

    /// <summary>Of a token: a sum for each four threads of the largest group, and four more that keep tokens out of each other's banks.</summary>
    private const int SetPitch = GroupReduce.MaxThreads / 4 + 4;

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
    /// thread makes 4 × 4 results. sets is a quarter of the threads that a group of the vector form has for this width.
    /// </summary>
    public static void TiledF32(ArrayView<float> x, ArrayView<float> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner, int sets) =>
        Tiled(new StoredRows<float, F32Decoder>(x, ArrayView<float>.Empty), new StoredRows<float, F32Decoder>(w, scales), bias, y, 0, tokens, 0, outputs, inner, sets);

    /// <summary>As <see cref="TiledF32"/> for bf16 bits.</summary>
    public static void TiledBf16(ArrayView<float> x, ArrayView<ushort> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner, int sets) =>
        Tiled(new StoredRows<float, F32Decoder>(x, ArrayView<float>.Empty), new StoredRows<ushort, Bf16Decoder>(w, scales), bias, y, 0, tokens, 0, outputs, inner, sets);

    /// <summary>As <see cref="TiledF32"/> for FP8 codes.</summary>
    public static void TiledFp8(ArrayView<float> x, ArrayView<byte> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner, int sets) =>
        Tiled(new StoredRows<float, F32Decoder>(x, ArrayView<float>.Empty), new StoredRows<byte, Fp8Decoder>(w, scales), bias, y, 0, tokens, 0, outputs, inner, sets);

    /// <summary>As <see cref="TiledF32"/> for int4 codes.</summary>
    public static void TiledInt4(ArrayView<float> x, ArrayView<byte> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner, int sets) =>
        Tiled(new StoredRows<float, F32Decoder>(x, ArrayView<float>.Empty), new StoredRows<byte, Int4Decoder>(w, scales), bias, y, 0, tokens, 0, outputs, inner, sets);

    /// <summary>As <see cref="TiledFp8"/> for x in FP8 codes with a scale a row.</summary>
    public static void TiledFp8Activations(ArrayView<byte> x, ArrayView<float> xScales, ArrayView<byte> w, ArrayView<float> scales, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner, int sets) =>
        Tiled(new StoredRows<byte, Fp8Decoder>(x, xScales), new StoredRows<byte, Fp8Decoder>(w, scales), bias, y, 0, tokens, 0, outputs, inner, sets);

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
        ArrayView<Float4> scratch = SharedMemory.Allocate<Float4>(VectorTokens * SetPitch / 4);
        ArrayView<float> sums = scratch.Cast<float>();
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
            s0 = weight.AddDot(s0, left.Quad(x, xScales, x0 + k));
            s1 = weight.AddDot(s1, left.Quad(x, xScales, x1 + k));
            s2 = weight.AddDot(s2, left.Quad(x, xScales, x2 + k));
            s3 = weight.AddDot(s3, left.Quad(x, xScales, x3 + k));
        }
        // One token, the usual case: a loop of its own without the others' sums.
        for (int k = 4 * Group.IdxX + end; k < quads; k += 4 * Group.DimX)
        {
            s0 = right.Quad(w, scales, weights + k).AddDot(s0, left.Quad(x, xScales, x0 + k));
        }
        // Rows whose quads are not aligned, and end within one.
        for (int k = 4 * Group.IdxX + quads; k < inner; k += 4 * Group.DimX)
        {
            Float4 weight = Four<TW, TWDecoder>(w, scales, weights + k, inner - k);
            s0 = weight.AddDot(s0, Four<TX, TXDecoder>(x, xScales, x0 + k, inner - k));
            s1 = weight.AddDot(s1, Four<TX, TXDecoder>(x, xScales, x1 + k, inner - k));
            s2 = weight.AddDot(s2, Four<TX, TXDecoder>(x, xScales, x2 + k, inner - k));
            s3 = weight.AddDot(s3, Four<TX, TXDecoder>(x, xScales, x3 + k, inner - k));
        }
        s0 = GroupReduce.SumOfFour(s0, sums);
        if (count > 1)
        {
            s1 = GroupReduce.SumOfFour(s1, sums);
            s2 = GroupReduce.SumOfFour(s2, sums);
            s3 = GroupReduce.SumOfFour(s3, sums);
        }
        int set = Group.IdxX / 4;
        if (Group.IdxX % 4 == 0)
        {
            sums[set] = s0;
            sums[SetPitch + set] = s1;
            sums[2 * SetPitch + set] = s2;
            sums[3 * SetPitch + set] = s3;
        }
        Group.Barrier();
        int sets = (Group.DimX + 3) / 4;
        for (int i = Group.IdxX; i < count; i += Group.DimX)
        {
            float sum = 0f;
            int next = 0;
            for (; next < sets - 3; next += 4)
            {
                Float4 four = scratch[(i * SetPitch + next) / 4];
                sum = sum + four.A + four.B + four.C + four.D;
            }
            for (; next < sets; next++)
            {
                sum += sums[i * SetPitch + next];
            }
            Store(y, bias, token + i, output, outputs, sum * right.RowScale(scales, weightRow) * left.RowScale(xScales, token + i));
        }
    }

    /// <summary>The product of rows <paramref name="firstRow"/> … <paramref name="endRow"/> of x with the rows of w from <paramref name="weightRow"/> on.</summary>
    internal static void Tiled<TX, TW>(TX x, TW w, ArrayView<float> bias, ArrayView<float> y, int firstRow, int endRow, long weightRow, int outputs, int inner, int sets)
        where TX : struct, ITileRows
        where TW : struct, ITileRows
    {
        ArrayView<Float4> a = SharedMemory.Allocate<Float4>(TileRows.Columns * TileRows.Pitch);
        ArrayView<Float4> b = SharedMemory.Allocate<Float4>(TileRows.Columns * TileRows.Pitch);
        int side = Group.DimY;
        long token0 = firstRow + (long)Grid.IdxY * 4 * side;
        int output0 = Grid.IdxX * 4 * side;
        if (token0 >= endRow)
        {
            return;
        }
        TileSums total = default;
        for (int set = 0; set < sets; set++)
        {
            // A tile has a quad of each of the set's four classes.
            TileSums c0 = default, c1 = default, c2 = default, c3 = default;
            for (int k0 = set * TileRows.Columns; k0 < inner; k0 += sets * TileRows.Columns)
            {
                // Here and not behind the sums: a load whose value is used later may be moved behind a barrier that follows it.
                Group.Barrier();
                x.Fill(a, token0, endRow, k0, inner);
                w.Fill(b, weightRow + output0, weightRow + outputs, k0, inner);
                Group.Barrier();
                c0 = c0.AddQuad(a, b, 0);
                c1 = c1.AddQuad(a, b, 4);
                c2 = c2.AddQuad(a, b, 8);
                c3 = c3.AddQuad(a, b, 12);
            }
            total = total.Plus(c0.Plus(c1).Plus(c2.Plus(c3)));
        }
        Store(x, w, bias, y, token0, endRow, weightRow, output0, outputs, total);
    }

    /// <summary>Puts a thread's results of a tile of the group into their places.</summary>
    internal static void Store<TX, TW>(TX x, TW w, ArrayView<float> bias, ArrayView<float> y, long token0, int endRow, long weightRow, int output0, int outputs, TileSums sums)
        where TX : struct, ITileRows
        where TW : struct, ITileRows
    {
        long token = token0 + 4 * Group.IdxY;
        int output = output0 + 4 * Group.IdxX;
        StoreRow(x, w, bias, y, token, endRow, weightRow, output, outputs, sums.A);
        StoreRow(x, w, bias, y, token + 1, endRow, weightRow, output, outputs, sums.B);
        StoreRow(x, w, bias, y, token + 2, endRow, weightRow, output, outputs, sums.C);
        StoreRow(x, w, bias, y, token + 3, endRow, weightRow, output, outputs, sums.D);
    }

    /// <summary>Four values from an offset on, of which there are so many.</summary>
    internal static Float4 Four<T, TDecoder>(ArrayView<T> stored, ArrayView<float> scales, long at, int there)
        where T : unmanaged
        where TDecoder : struct, IDecoder<T>
    {
        TDecoder decoder = default;
        return new Float4(
            decoder.One(stored, scales, at),
            there > 1 ? decoder.One(stored, scales, at + 1) : 0f,
            there > 2 ? decoder.One(stored, scales, at + 2) : 0f,
            there > 3 ? decoder.One(stored, scales, at + 3) : 0f);
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
