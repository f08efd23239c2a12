using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Words of 32 rows, a row after the other, become words with a lane per row.</summary>
internal static unsafe class LaneWords
{
    private const int Rows = AffineLayout.PanelRows;

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

    /// <summary>Four words of a row, and of the fourth row after it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Pair(uint* row, int stride) => Vector256.Create(Vector128.Load(row), Vector128.Load(row + 4 * stride));
}
