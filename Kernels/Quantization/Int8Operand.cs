using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Rows of x as products of integers take them: quantised for each 128 columns, in tiles of four rows; at the end of two or of
/// one, and three become four, the last of zeros. A tile is one stream of groups; a group of a tile of R rows is
/// <code>
/// for each run of columns, R int32: −Bias · sum of the row's codes, what the weights' bias would add; or R float32: the sums;
/// or for each two runs R pairs of int16: their sums
/// R float32: scales
/// 32 quads of columns: R rows × 4 int8
/// </code>
/// A group whose largest magnitude is m has scale m / 127 and codes x · (127 / m), nearest even. Groups below 2⁻¹²⁰ count as
/// zero; one with a NaN or an infinity has codes zero and scale NaN. Columns that the last group lacks are zero.
/// </summary>
internal static unsafe class Int8Operand
{
    /// <summary>Rows of a whole tile.</summary>
    public const int TileRows = 4;

    private const int GroupColumns = Int8Form.GroupColumns, Quads = GroupColumns / 4;

    // Groups of a tile that are quantised at a time: some of their lines are a neighbour's too, but few.
    private const int PieceGroups = 8;

    // Columns of all rows that are worth handing out.
    private const int ItemColumns = 16384;

    private const float Least = 7.5231638e-37f; // 2⁻¹²⁰

    private const uint Magnitude = 0x7fffffff, Infinity = 0x7f800000;

    /// <summary>Rows of all tiles together.</summary>
    public static int TiledRows(int rows) => rows % TileRows == TileRows - 1 ? rows + 1 : rows;

    /// <summary>Tiles of so many rows.</summary>
    private static int Tiles(int rows) => (rows + TileRows - 1) / TileRows;

    /// <summary>Groups of a row.</summary>
    public static int Groups(int columns) => (int)(((long)columns + GroupColumns - 1) / GroupColumns);

    /// <summary>Bytes of so many rows.</summary>
    public static long Bytes(int rows, int columns, Int8Form form) => (long)TiledRows(rows) * Groups(columns) * form.GroupBytes;

    /// <summary>Rows of the tile that begins at a row.</summary>
    public static int RowsAt(int row, int rows) => rows - row >= TileRows - 1 ? TileRows : rows - row;

    /// <summary>Quantises rows.</summary>
    /// <param name="team">Shares them out where there are many; few are not worth a meeting.</param>
    /// <param name="x">[rows, columns]</param>
    /// <param name="rows">At least 1.</param>
    /// <param name="columns">Columns of x.</param>
    /// <param name="form">What the product wants.</param>
    /// <param name="to">Filled: <see cref="Bytes"/>.</param>
    public static void Quantise(ProductTeam team, float* x, int rows, int columns, Int8Form form, byte* to)
    {
        int tiles = Tiles(rows), perTile = (Groups(columns) + PieceGroups - 1) / PieceGroups;
        int items = (int)Math.Clamp((long)rows * columns / ItemColumns, 1, (long)tiles * perTile);
        team.Run(items, new QuantiseJob(x, rows, columns, form, to, tiles, perTile, items));
    }

    /// <summary>
    /// Quantises its share of the pieces, which are some groups of a tile each: rows of a tile lie in the same cache lines, which
    /// threads that took rows would take from each other all the time.
    /// </summary>
    private readonly struct QuantiseJob(float* x, int rows, int columns, Int8Form form, byte* to, int tiles, int perTile, int items) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            long pieces = (long)tiles * perTile;
            int groups = Groups(columns), end = (int)(pieces * (item + 1) / items);
            for (int piece = (int)(pieces * item / items); piece < end; piece++)
            {
                int first = piece / perTile * TileRows, height = RowsAt(first, rows), group = piece % perTile * PieceGroups;
                byte* at = to + ((long)first * groups + (long)group * height) * form.GroupBytes;
                for (int stop = Math.Min(groups, group + PieceGroups); group < stop; group++, at += height * form.GroupBytes)
                {
                    Group(x + (long)first * columns + (long)group * GroupColumns, columns, Math.Min(height, rows - first), Math.Min(GroupColumns, columns - group * GroupColumns), form, at, height);
                }
            }
        }
    }

    /// <summary>A group of a tile.</summary>
    /// <param name="x">Rows, <paramref name="stride"/> apart.</param>
    /// <param name="stride">Columns of x.</param>
    /// <param name="rows">Rows of the tile that there are.</param>
    /// <param name="width">Columns of the group that there are.</param>
    /// <param name="form">What the product wants.</param>
    /// <param name="group">Filled.</param>
    /// <param name="height">Rows of the tile.</param>
    [SkipLocalsInit]
    private static void Group(float* x, long stride, int rows, int width, Int8Form form, byte* group, int height)
    {
        uint* quads = stackalloc uint[TileRows * Quads], place = (uint*)group + (form.SumWords + 1) * height;
        float* padded = stackalloc float[GroupColumns];
        for (int r = 0; r < height; r++)
        {
            float* row = x + r * stride;
            if (r >= rows || width < GroupColumns)
            {
                new Span<float>(padded, GroupColumns).Clear();
                new ReadOnlySpan<float>(row, r < rows ? width : 0).CopyTo(new Span<float>(padded, GroupColumns));
                row = padded;
            }
            Row(row, form, (int*)group + r, height, height == 1 ? place : quads + r * Quads);
        }
        if (height > 1)
        {
            Interleave(quads, height, place);
        }
    }

    /// <summary>A row's codes, and what stands before them.</summary>
    [SkipLocalsInit]
    private static void Row(float* x, Int8Form form, int* head, int height, uint* quads)
    {
        Vector512<uint> largest = default;
        for (int c = 0; c < GroupColumns; c += 16)
        {
            largest = Vector512.Max(largest, Vector512.Load((uint*)x + c) & Vector512.Create(Magnitude));
        }
        uint bits = Largest(largest);
        float magnitude = BitConverter.UInt32BitsToSingle(bits);
        bool isZero = bits >= Infinity || magnitude < Least;
        Vector512<float> inverse = Vector512.Create(isZero ? 0 : 127 / magnitude);
        int* codes = stackalloc int[GroupColumns];
        for (int c = 0; c < GroupColumns; c += 64)
        {
            Vector512<int> i0 = Codes(x + c, inverse, isZero), i1 = Codes(x + c + 16, inverse, isZero);
            Vector512<int> i2 = Codes(x + c + 32, inverse, isZero), i3 = Codes(x + c + 48, inverse, isZero);
            i0.Store(codes + c);
            i1.Store(codes + c + 16);
            i2.Store(codes + c + 32);
            i3.Store(codes + c + 48);
            Vector512.Narrow(Vector512.Narrow(i0, i1), Vector512.Narrow(i2, i3)).Store((sbyte*)quads + c);
        }
        for (int run = 0, c = 0; run < form.Runs; run++)
        {
            Vector512<int> sum = default;
            for (int end = c + GroupColumns / form.Runs; c < end; c += 16)
            {
                sum += Vector512.Load(codes + c);
            }
            int own = Vector512.Sum(sum);
            if (form.ArePairs)
            {
                ((short*)head)[run % 2] = (short)own;
                head += run % 2 * height;
                continue;
            }
            *head = form.Bias != 0 ? -form.Bias * own : BitConverter.SingleToInt32Bits(own);
            head += height;
        }
        *(float*)head = bits >= Infinity ? float.NaN : isZero ? 0 : magnitude / 127;
    }

    /// <summary>[height, quads] of two rows or four to [quads, height].</summary>
    private static void Interleave(uint* quads, int height, uint* to)
    {
        for (int q = 0; q < Quads; q += 4, to += 4 * height)
        {
            (Vector128<uint> a, Vector128<uint> b) = Pairs(Vector128.Load(quads + q), Vector128.Load(quads + Quads + q));
            if (height == 2)
            {
                a.Store(to);
                b.Store(to + 4);
                continue;
            }
            (Vector128<uint> c, Vector128<uint> d) = Pairs(Vector128.Load(quads + 2 * Quads + q), Vector128.Load(quads + 3 * Quads + q));
            (Vector128<uint> first, Vector128<uint> second) = Halves(a, c);
            (Vector128<uint> third, Vector128<uint> fourth) = Halves(b, d);
            first.Store(to);
            second.Store(to + 4);
            third.Store(to + 8);
            fourth.Store(to + 12);
        }
    }

    /// <summary>The lower halves of a and b, and the upper ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<uint> Lower, Vector128<uint> Upper) Halves(Vector128<uint> a, Vector128<uint> b) => Sse2.IsSupported
        ? (Sse2.UnpackLow(a.AsUInt64(), b.AsUInt64()).AsUInt32(), Sse2.UnpackHigh(a.AsUInt64(), b.AsUInt64()).AsUInt32())
        : (Vector128.Create(a.GetLower(), b.GetLower()), Vector128.Create(a.GetUpper(), b.GetUpper()));

    /// <summary>Elements of a and b in turn.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<uint> Low, Vector128<uint> High) Pairs(Vector128<uint> a, Vector128<uint> b) =>
        ((Vector128.WidenLower(a) | Vector128.WidenLower(b) << 32).AsUInt32(), (Vector128.WidenUpper(a) | Vector128.WidenUpper(b) << 32).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Codes(float* x, Vector512<float> inverse, bool isZero) =>
        // Not a product with zero: that of an infinity is NaN.
        isZero ? default : Vector512.ConvertToInt32Native(Vector512.Round(Vector512.Load(x) * inverse));

    private static uint Largest(Vector512<uint> v)
    {
        Vector256<uint> half = Vector256.Max(v.GetLower(), v.GetUpper());
        Vector128<uint> quarter = Vector128.Max(half.GetLower(), half.GetUpper());
        uint largest = 0;
        for (int i = 0; i < Vector128<uint>.Count; i++)
        {
            largest = Math.Max(largest, quarter[i]);
        }
        return largest;
    }
}
