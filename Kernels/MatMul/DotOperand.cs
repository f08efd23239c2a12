using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// Rows of x as the BF16 dot product takes them: rounded to bfloat16, in tiles of up to eight rows. Tiles are as many as there must
/// be and differ by one row at the most, so that none is left with too few rows to hide the multipliers' latency. A tile is one
/// stream, a word of two columns for each of its rows, then those of the next two columns:
/// <code>
/// pair p:   rows × { bfloat16 of column 2p, bfloat16 of column 2p + 1 };   the partner of an odd last column is zero
/// </code>
/// </summary>
internal static unsafe class DotOperand
{
    /// <summary>Rows of the highest tile.</summary>
    public const int TileRows = 8;

    // Pairs that are rounded at a time: eight rows of them stay in the first-level cache.
    private const int PiecePairs = 256;

    // Words that are worth handing out.
    private const int ItemWords = 8192;

    /// <summary>Tiles of so many rows.</summary>
    public static int Tiles(int rows) => (rows + TileRows - 1) / TileRows;

    /// <summary>The first row of a tile; of the one behind the last, the number of rows.</summary>
    public static int FirstRow(int tile, int rows) => (int)((long)rows * tile / Tiles(rows));

    /// <summary>Pairs of columns.</summary>
    public static int Pairs(int columns) => (columns + 1) / 2;

    /// <summary>Bytes of so many rows.</summary>
    public static long Bytes(int rows, int columns) => (long)rows * Pairs(columns) * sizeof(uint);

    /// <summary>Rounds rows.</summary>
    /// <param name="team">Shares them out where there are many; few are not worth a meeting.</param>
    /// <param name="x">[rows, columns]</param>
    /// <param name="rows">At least 1.</param>
    /// <param name="columns">Columns of x.</param>
    /// <param name="to">Filled: <see cref="Bytes"/>.</param>
    public static void Round(ProductTeam team, float* x, int rows, int columns, byte* to)
    {
        int pieces = Tiles(rows) * ((Pairs(columns) + PiecePairs - 1) / PiecePairs);
        int items = (int)Math.Clamp((long)rows * Pairs(columns) / ItemWords, 1, pieces);
        team.Run(items, new RoundJob(x, rows, columns, (uint*)to, pieces, items));
    }

    /// <summary>Rounds its share of the pieces, which are some pairs of columns of a tile each.</summary>
    private readonly struct RoundJob(float* x, int rows, int columns, uint* to, int pieces, int items) : ITeamJob
    {
        [SkipLocalsInit]
        public void Execute(int item, int worker)
        {
            uint* words = stackalloc uint[TileRows * PiecePairs];
            int perTile = pieces / Tiles(rows), end = (int)((long)pieces * (item + 1) / items);
            for (int piece = (int)((long)pieces * item / items); piece < end; piece++)
            {
                int tile = piece / perTile, pair = piece % perTile * PiecePairs, count = Math.Min(PiecePairs, Pairs(columns) - pair);
                int first = FirstRow(tile, rows), height = FirstRow(tile + 1, rows) - first;
                uint* place = to + (long)first * Pairs(columns) + (long)pair * height;
                for (int r = 0; r < height; r++)
                {
                    uint* row = height == 1 ? place : words + r * PiecePairs;
                    int width = Math.Min(2 * count, columns - 2 * pair);
                    row[count - 1] = 0;
                    Bf16.FromSingle(new ReadOnlySpan<float>(x + (long)(first + r) * columns + 2 * pair, width), new Span<ushort>(row, width));
                }
                if (height > 1)
                {
                    Interleave(words, height, count, place);
                }
            }
        }
    }

    /// <summary>[height, <see cref="PiecePairs"/>] words to [count, height].</summary>
    private static void Interleave(uint* words, int height, int count, uint* to)
    {
        int p = 0;
        for (; height == TileRows && Avx2.IsSupported && p <= count - 4; p += 4, to += 4 * TileRows)
        {
            Vector256<uint> a = Four(words + p, 0), b = Four(words + p, 1), c = Four(words + p, 2), d = Four(words + p, 3);
            Vector256<ulong> low01 = Avx2.UnpackLow(a, b).AsUInt64(), low23 = Avx2.UnpackLow(c, d).AsUInt64();
            Vector256<ulong> high01 = Avx2.UnpackHigh(a, b).AsUInt64(), high23 = Avx2.UnpackHigh(c, d).AsUInt64();
            Avx2.UnpackLow(low01, low23).AsUInt32().Store(to);
            Avx2.UnpackHigh(low01, low23).AsUInt32().Store(to + TileRows);
            Avx2.UnpackLow(high01, high23).AsUInt32().Store(to + 2 * TileRows);
            Avx2.UnpackHigh(high01, high23).AsUInt32().Store(to + 3 * TileRows);
        }
        for (; p < count; p++)
        {
            for (int r = 0; r < height; r++)
            {
                *to++ = words[r * PiecePairs + p];
            }
        }
    }

    /// <summary>Four words of a row, and of the fourth row after it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Four(uint* words, int row) =>
        Vector256.Create(Vector128.Load(words + row * PiecePairs), Vector128.Load(words + (row + 4) * PiecePairs));
}
