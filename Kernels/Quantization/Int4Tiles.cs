using System.Buffers.Binary;
using System.Numerics;
using System.Numerics.Tensors;
using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// The layout of int4 weights for tensor cores. A tile has 16 rows × 64 columns in 512 bytes: word lane · 4 + b has the eight
/// codes that the lane holds in the m16k16 fragment of the tile's columns 16b … 16b + 15, so a warp loads 16 bytes a lane and has
/// four fragments. Tiles lie along the columns first: [rows / 16][columns / 64]. Kernels take two tiles of rows, a unit of 32; rows are
/// padded to that with codes and scales of zero. Scales: [rows / 32][columns / 128][8][4] float32, entry g has those of the
/// unit's rows g, g + 8, g + 16 and g + 24: what a lane of group g multiplies its four rows by. Kernels divide one group's scale by
/// the next one's, so a row's scales are no zeros: where one is below 2⁻⁶² of the row's largest, or below 2⁻¹²⁶, the group's codes
/// are zero and its scale is that bound.
/// </summary>
/// <remarks>
/// A word's nibbles 0 … 7 are the fragment's elements 0, 2, 4, 6, 1, 3, 5, 7, so that (word >> 4j) has the halves of register j
/// 16 bits apart; the codes stay two's complement. The word is stored rotated left by 3: then the mask 0x00780078 and the flip
/// 0x41C041C0 make of it two bfloat16 of value 24 + code, without a subtraction.
/// </remarks>
internal static class Int4Tiles
{
    /// <summary>Rows of a tile.</summary>
    public const int TileRows = MatrixFragments.M;

    /// <summary>Columns of a tile.</summary>
    public const int TileColumns = 64;

    /// <summary>Bytes of a tile.</summary>
    public const int TileBytes = TileRows * TileColumns / 2;

    /// <summary>Rows that a block of a kernel computes: two tiles.</summary>
    public const int UnitRows = 2 * TileRows;

    /// <summary>Columns that share a scale.</summary>
    public const int GroupColumns = 128;

    /// <summary>Bytes of a unit's scales of one group.</summary>
    public const int ScaleBytes = UnitRows * sizeof(float);

    /// <summary>What the fragments hold beyond the code.</summary>
    public const int Offset = 24;

    /// <summary>Bits of a nibble in both halves of a word.</summary>
    public const uint Mask = 0x00780078;

    /// <summary>Makes of masked nibbles the bfloat16 24 + code: 16 + 8 with the sign bit turned.</summary>
    public const uint Flip = 0x41C041C0;

    private const int Rotation = 3;

    /// <summary>What is less than this share of the row's largest scale is none.</summary>
    private const float LeastShare = 1f / (1L << 62);

    private const float LeastNormal = 1.17549435e-38f;

    /// <summary>Units of a matrix.</summary>
    public static int Units(int rows) => (rows + UnitRows - 1) / UnitRows;

    /// <summary>Bytes of a unit's codes.</summary>
    public static long UnitCodeBytes(int columns) => (long)columns * UnitRows / 2;

    /// <summary>Bytes of a unit's scales.</summary>
    public static long UnitScaleBytes(int columns) => (long)columns / GroupColumns * ScaleBytes;

    /// <summary>Where a code lies within its unit: the word's number, and its nibble before the rotation.</summary>
    public static (int Word, int Nibble) Place(int row, int column, int columns)
    {
        int tile = (row / TileRows * (columns / TileColumns)) + (column / TileColumns);
        int block = column % TileColumns / MatrixFragments.K;
        (int r, int c) = (row % TileRows, column % MatrixFragments.K);
        int lane = (4 * (r % 8)) + (c % 8 / 2);
        int register = (r / 8) + (2 * (c / 8));
        return ((tile * (TileBytes / sizeof(uint))) + (lane * 4) + block, register + (4 * (c & 1)));
    }

    /// <summary>Where a scale lies within its unit's scales.</summary>
    public static int ScalePlace(int row, int group) => (group * UnitRows) + (4 * (row % 8)) + (row / 8);

    /// <summary>Packs a unit from rows as Meta's int4 has them: the even column in the low nibble, a scale a group.</summary>
    /// <param name="codes">[rows, columns / 2], up to 32 rows; missing ones are packed as zero.</param>
    /// <param name="scales">[rows, columns / 128]</param>
    /// <param name="columns">A multiple of 128.</param>
    /// <param name="unit">Filled: <see cref="UnitCodeBytes"/>.</param>
    /// <param name="unitScales">Filled: <see cref="UnitScaleBytes"/> as floats.</param>
    public static void Pack(ReadOnlySpan<byte> codes, ReadOnlySpan<float> scales, int columns, Span<byte> unit, Span<float> unitScales)
    {
        int groups = columns / GroupColumns;
        int rows = codes.Length / (columns / 2);
        if (columns % GroupColumns != 0 || rows > UnitRows || codes.Length != rows * (columns / 2) || scales.Length != rows * groups
            || unit.Length != UnitCodeBytes(columns) || unitScales.Length != groups * UnitRows)
        {
            throw new ArgumentException($"{codes.Length} bytes of codes and {scales.Length} scales are not {UnitRows} rows at most of {columns} columns for a unit of {unit.Length} bytes and {unitScales.Length} scales.", nameof(codes));
        }
        unit.Clear();
        unitScales.Clear();
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<byte> from = codes.Slice(row * (columns / 2), columns / 2);
            ReadOnlySpan<float> factors = scales.Slice(row * groups, groups);
            float most = Math.Abs(TensorPrimitives.MaxMagnitude(factors)), least = Math.Max(most * LeastShare, LeastNormal);
            for (int group = 0; group < groups; group++)
            {
                bool isZero = Math.Abs(factors[group]) < least;
                unitScales[ScalePlace(row, group)] = isZero ? least : factors[group];
                for (int column = group * GroupColumns; column < (group + 1) * GroupColumns && !isZero; column += 2)
                {
                    // The odd column is the same register's other half: its nibble is four further.
                    (int word, int nibble) = Place(row, column, columns);
                    uint pair = from[column / 2];
                    Span<byte> place = unit.Slice(word * sizeof(uint), sizeof(uint));
                    uint value = (pair & 15) << (4 * nibble) | (pair >> 4) << (4 * (nibble + 4));
                    BinaryPrimitives.WriteUInt32LittleEndian(place, BinaryPrimitives.ReadUInt32LittleEndian(place) | BitOperations.RotateLeft(value, Rotation));
                }
            }
        }
    }

    /// <summary>The code of an element of a packed unit: −8 … 7.</summary>
    public static int Code(ReadOnlySpan<byte> unit, int row, int column, int columns)
    {
        (int word, int nibble) = Place(row, column, columns);
        uint value = BitOperations.RotateRight(BinaryPrimitives.ReadUInt32LittleEndian(unit.Slice(word * sizeof(uint), sizeof(uint))), Rotation);
        return (int)(value >> (4 * nibble) << 28) >> 28;
    }
}
