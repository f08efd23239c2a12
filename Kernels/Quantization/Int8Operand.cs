using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
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

    private const int GroupColumns = Int8Form.GroupColumns;

    private const float Least = 7.5231638e-37f; // 2⁻¹²⁰

    private const uint Magnitude = 0x7fffffff, Infinity = 0x7f800000;

    /// <summary>Rows of all tiles together.</summary>
    public static int TiledRows(int rows) => rows % TileRows == TileRows - 1 ? rows + 1 : rows;

    /// <summary>Groups of a row.</summary>
    public static int Groups(int columns) => (int)(((long)columns + GroupColumns - 1) / GroupColumns);

    /// <summary>Bytes of so many rows.</summary>
    public static long Bytes(int rows, int columns, Int8Form form) => (long)TiledRows(rows) * Groups(columns) * form.GroupBytes;

    /// <summary>Rows of the tile that begins at a row.</summary>
    public static int RowsAt(int row, int rows) => rows - row >= TileRows - 1 ? TileRows : rows - row;

    /// <summary>Quantises rows. An item is a row of <see cref="TiledRows"/>.</summary>
    public readonly struct QuantiseJob(float* x, int rows, int columns, Int8Form form, byte* to) : ITeamJob
    {
        [SkipLocalsInit]
        public void Execute(int item, int worker)
        {
            int first = item / TileRows * TileRows;
            int height = RowsAt(first, rows), step = height * form.GroupBytes;
            int whole = item == rows ? 0 : columns / GroupColumns, groups = Groups(columns);
            byte* tile = to + (long)first * groups * form.GroupBytes;
            float* from = x + (long)item * columns;
            for (int g = 0; g < whole; g++, from += GroupColumns, tile += step)
            {
                Group(from, form, tile, item - first, height);
            }
            float* rest = stackalloc float[GroupColumns];
            for (int g = whole; g < groups; g++, tile += step)
            {
                new Span<float>(rest, GroupColumns).Clear();
                if (item < rows)
                {
                    new ReadOnlySpan<float>(from, columns % GroupColumns).CopyTo(new Span<float>(rest, GroupColumns));
                }
                Group(rest, form, tile, item - first, height);
            }
        }
    }

    [SkipLocalsInit]
    private static void Group(float* x, Int8Form form, byte* group, int row, int height)
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
        uint* quads = stackalloc uint[GroupColumns / 4];
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
        int* starts = (int*)group + row;
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
                ((short*)starts)[run % 2] = (short)own;
                starts += run % 2 * height;
                continue;
            }
            *starts = form.Bias != 0 ? -form.Bias * own : BitConverter.SingleToInt32Bits(own);
            starts += height;
        }
        *(float*)starts = bits >= Infinity ? float.NaN : isZero ? 0 : magnitude / 127;
        uint* to = (uint*)starts + height;
        for (int q = 0; q < GroupColumns / 4; q++, to += height)
        {
            *to = quads[q];
        }
    }

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
