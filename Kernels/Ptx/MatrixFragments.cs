namespace Llama4Kernels.Kernels.Ptx;

/// <summary>
/// Which elements of its matrices a lane holds in <c>mma.m16n8k16</c> with 16-bit operands, by the order of its registers'
/// halves: lane = 4g + t. Kernels, packers and tests read the same maps.
/// </summary>
internal static class MatrixFragments
{
    /// <summary>Rows of a, c and d.</summary>
    public const int M = 16;

    /// <summary>Columns of b, c and d.</summary>
    public const int N = 8;

    /// <summary>Columns of a, rows of b.</summary>
    public const int K = 16;

    /// <summary>Element 0 … 7 of a [16, 16]: two to a register.</summary>
    public static (int Row, int Column) A(int lane, int element) =>
        ((lane >> 2) + (8 * ((element >> 1) & 1)), (2 * (lane & 3)) + (element & 1) + (8 * (element >> 2)));

    /// <summary>Element 0 … 3 of b [16, 8]: two to a register.</summary>
    public static (int Row, int Column) B(int lane, int element) =>
        ((2 * (lane & 3)) + (element & 1) + (8 * (element >> 1)), lane >> 2);

    /// <summary>Element 0 … 3 of c and d [16, 8]: one to a register.</summary>
    public static (int Row, int Column) C(int lane, int element) =>
        ((lane >> 2) + (8 * (element >> 1)), (2 * (lane & 3)) + (element & 1));
}
