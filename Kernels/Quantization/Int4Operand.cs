using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Activations as the int4 products take them: rows of bfloat16, [rows][columns / 128][288 bytes]. A group's 256 bytes of values
/// are two tiles of 64 columns; a tile has two halves of 64 bytes, half h with the columns 32h … 32h + 31; in a half, 16 bytes for
/// each t = 0 … 3: the fragments' elements of the lanes 4g + t for its two blocks of 16 columns. So a lane reads 16 bytes for two matrix
/// instructions, and a warp's reads are free of bank conflicts. Behind them −24 times the sum of the group's values in
/// float32, eight times: it takes away what <see cref="Int4Tiles.Offset"/> adds, and fills a sector.
/// </summary>
internal static class Int4Operand
{
    /// <summary>Bytes of a group's values.</summary>
    public const int ValueBytes = 2 * Int4Tiles.GroupColumns;

    /// <summary>Bytes of a tile's half: two blocks of 16 columns.</summary>
    public const int HalfBytes = 64;

    /// <summary>Bytes of the sum's copies.</summary>
    public const int SumBytes = 32;

    /// <summary>Bytes of a group.</summary>
    public const int GroupBytes = ValueBytes + SumBytes;

    /// <summary>Bytes of a row.</summary>
    public static long RowBytes(int columns) => (long)columns / Int4Tiles.GroupColumns * GroupBytes;

    /// <summary>Where the value of a column lies within its group, in bytes.</summary>
    public static int Place(int column)
    {
        (int tile, int block, int k) = (column / Int4Tiles.TileColumns, column % Int4Tiles.TileColumns / MatrixFragments.K, column % MatrixFragments.K);
        // The inverse of MatrixFragments.B: lane t has the rows 2t, 2t + 1, 2t + 8, 2t + 9.
        (int t, int element) = (k % 8 / 2, (k & 1) + (2 * (k / 8)));
        return (tile * 2 * HalfBytes) + (block / 2 * HalfBytes) + (t * 16) + (block % 2 * 8) + (2 * element);
    }
}
