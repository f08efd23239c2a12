using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Activations as the products of FP8 weights on tensor cores take them: rows of float16, [rows][columns / 128][256 bytes], and apart from them a factor a row,
/// by which results are multiplied. In a group's 256 bytes a half of 64 has 32 columns; in a half, 16 bytes for each
/// t = 0 … 3: of its two blocks of 16 columns those four that <c>ldmatrix</c> brings the lanes 4g + t of a row of codes, one after another.
/// </summary>
internal static class Fp8Operand
{
    /// <summary>Bytes of a group's values.</summary>
    public const int GroupBytes = 2 * Int4Tiles.GroupColumns;

    /// <summary>
    /// The power of two just above the largest magnitude of a row: a product with the largest code and a sum over many columns stay far below what float32 holds, and a bfloat16
    /// within 2²⁹ of the largest is exact in float16.
    /// </summary>
    public const int LargestExponent = 15;

    /// <summary>Bytes of a row.</summary>
    public static long RowBytes(int columns) => (long)columns / Int4Tiles.GroupColumns * GroupBytes;

    /// <summary>Where the value of a column lies within its group, in bytes.</summary>
    public static int Place(int column)
    {
        (int half, int block, int k) = (column / 32, column / MatrixFragments.K % 2, column % MatrixFragments.K);
        return (half * Int4Operand.HalfBytes) + (k / 4 * 16) + (block * 8) + (k % 4 * 2);
    }
}
