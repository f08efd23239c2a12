namespace Llama4Kernels.Kernels.Ptx;

/// <summary>
/// Tiles of 16-bit elements in shared memory whose rows are 64, 128 or 256 bytes: pieces of 16 bytes are exchanged within a row
/// so that the eight rows of an 8 × 8 matrix lie in different banks; and which piece a lane names to <c>ldmatrix.x4</c>.
/// </summary>
internal static class SharedTiles
{
    /// <summary>Where a piece of 16 bytes lies, in bytes from the tile's beginning.</summary>
    /// <param name="rowBytes">64, 128 or 256.</param>
    /// <param name="row">Row of the tile.</param>
    /// <param name="piece">Piece of the row.</param>
    public static int Place(int rowBytes, int row, int piece) => rowBytes switch
    {
        64 => (row * 64) + ((piece ^ ((row >> 1) & 3)) << 4),
        128 or 256 => (row * rowBytes) + ((piece ^ (row & 7)) << 4),
        _ => throw new ArgumentOutOfRangeException(nameof(rowBytes), rowBytes, "Rows have 64, 128 or 256 bytes."),
    };

    /// <summary>The piece whose address a lane gives to load the a fragment [16, 16] of a row-major tile.</summary>
    public static (int Row, int Piece) A(int lane) => (lane & 15, lane >> 4);

    /// <summary>The piece whose address a lane gives to load the b fragments of columns 0 … 7 and 8 … 15 of a tile [n][k].</summary>
    public static (int Row, int Piece) B(int lane) => ((lane & 7) + ((lane >> 4) << 3), (lane >> 3) & 1);
}
