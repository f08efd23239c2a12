using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Words of 32 rows, a row after the other, become words with a lane per row.</summary>
internal static unsafe class LaneWords
{
    private const int Rows = AffineLayout.PanelRows;

    /// <summary>Writes [<see cref="AffineLayout.PanelRows"/>, count] bytes as [count, <see cref="AffineLayout.PanelRows"/>].</summary>
    /// <param name="rows">The first row.</param>
    /// <param name="stride">Bytes between rows.</param>
    /// <param name="count">Bytes of a row.</param>
    /// <param name="to">Filled.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PlaceBytes(byte* rows, int stride, int count, byte* to)
    {
        int c = 0;
        for (; Avx2.IsSupported && c <= count - 16; c += 16)
        {
            for (int half = 0; half < Rows; half += 16)
            {
                PlaceSixteen(rows + (long)half * stride + c, stride, to + c * Rows + half);
            }
        }
        for (; c < count; c++)
        {
            for (int r = 0; r < Rows; r++)
            {
                to[c * Rows + r] = rows[(long)r * stride + c];
            }
        }
    }

    /// <summary>Writes [<see cref="AffineLayout.PanelRows"/>, count] words as [count, <see cref="AffineLayout.PanelRows"/>].</summary>
    /// <param name="words">The first row's words; three beyond the last of each row are readable.</param>
    /// <param name="stride">Words between rows.</param>
    /// <param name="count">Words of a row.</param>
    /// <param name="to">Filled.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Place(uint* words, int stride, int count, uint* to)
    {
        if (Avx2.IsSupported)
        {
            PlaceVectors(words, stride, count, to);
        }
        else
        {
            PlaceWords(words, stride, count, to);
        }
    }

    /// <summary>Four words of eight rows at a time; for processors with AVX2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void PlaceVectors(uint* words, int stride, int count, uint* to)
    {
        for (int left = count; left > 0; left -= 4, words += 4, to += 4 * Rows)
        {
            for (int r = 0; r < Rows; r += Vector256<uint>.Count)
            {
                uint* own = words + r * stride;
                Vector256<uint> a = Pair(own, stride), b = Pair(own + stride, stride), c = Pair(own + 2 * stride, stride), d = Pair(own + 3 * stride, stride);
                Vector256<ulong> low01 = Avx2.UnpackLow(a, b).AsUInt64(), low23 = Avx2.UnpackLow(c, d).AsUInt64();
                Avx2.UnpackLow(low01, low23).AsUInt32().Store(to + r);
                if (left > 1)
                {
                    Avx2.UnpackHigh(low01, low23).AsUInt32().Store(to + r + Rows);
                }
                if (left > 2)
                {
                    Vector256<ulong> high01 = Avx2.UnpackHigh(a, b).AsUInt64(), high23 = Avx2.UnpackHigh(c, d).AsUInt64();
                    Avx2.UnpackLow(high01, high23).AsUInt32().Store(to + r + 2 * Rows);
                    if (left > 3)
                    {
                        Avx2.UnpackHigh(high01, high23).AsUInt32().Store(to + r + 3 * Rows);
                    }
                }
            }
        }
    }

    /// <summary>A word at a time.</summary>
    internal static void PlaceWords(uint* words, int stride, int count, uint* to)
    {
        for (int w = 0; w < count; w++)
        {
            for (int r = 0; r < Rows; r++)
            {
                *to++ = words[r * stride + w];
            }
        }
    }

    /// <summary>16 bytes of 16 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PlaceSixteen(byte* rows, long stride, byte* to)
    {
        (Vector256<uint> a, Vector256<uint> e) = Quads(rows, stride);
        (Vector256<uint> b, Vector256<uint> f) = Quads(rows + 4 * stride, stride);
        (Vector256<uint> c, Vector256<uint> g) = Quads(rows + 8 * stride, stride);
        (Vector256<uint> d, Vector256<uint> h) = Quads(rows + 12 * stride, stride);
        PutEight(a, b, c, d, to);
        PutEight(e, f, g, h, to + 8 * Rows);
    }

    /// <summary>16 columns of four rows: a quad of rows of each column, 0 … 3 in the lower half and 4 … 7 in the upper one, then the others likewise.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<uint> First, Vector256<uint> Second) Quads(byte* rows, long stride)
    {
        Vector256<uint> a = Vector256.Create(Vector128.Load(rows), Vector128.Load(rows + 2 * stride)).AsUInt32();
        Vector256<uint> b = Vector256.Create(Vector128.Load(rows + stride), Vector128.Load(rows + 3 * stride)).AsUInt32();
        return (Turn(Avx2.UnpackLow(a, b)), Turn(Avx2.UnpackHigh(a, b)));

        // Four columns of rows 0, 1 and four others; of rows 2, 3 the same.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static Vector256<uint> Turn(Vector256<uint> pairs)
        {
            Vector128<byte> order = Vector128.Create((byte)0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            return Avx2.Shuffle(Avx2.PermuteVar8x32(pairs, Vector256.Create(0u, 1, 4, 5, 2, 3, 6, 7)).AsByte(), Vector256.Create(order, order)).AsUInt32();
        }
    }

    /// <summary>16 rows of eight columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PutEight(Vector256<uint> a, Vector256<uint> b, Vector256<uint> c, Vector256<uint> d, byte* to)
    {
        Vector256<ulong> low01 = Avx2.UnpackLow(a, b).AsUInt64(), low23 = Avx2.UnpackLow(c, d).AsUInt64();
        Vector256<ulong> high01 = Avx2.UnpackHigh(a, b).AsUInt64(), high23 = Avx2.UnpackHigh(c, d).AsUInt64();
        Put(Avx2.UnpackLow(low01, low23), to);
        Put(Avx2.UnpackHigh(low01, low23), to + Rows);
        Put(Avx2.UnpackLow(high01, high23), to + 2 * Rows);
        Put(Avx2.UnpackHigh(high01, high23), to + 3 * Rows);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static void Put(Vector256<ulong> columns, byte* to)
        {
            columns.AsByte().GetLower().Store(to);
            columns.AsByte().GetUpper().Store(to + 4 * Rows);
        }
    }

    /// <summary>Four words of a row, and of the fourth row after it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Pair(uint* row, int stride) => Vector256.Create(Vector128.Load(row), Vector128.Load(row + 4 * stride));
}
