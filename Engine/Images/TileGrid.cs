namespace Llama4Kernels.Engine.Images;

/// <summary>The tile grid chosen for a picture.</summary>
/// <param name="Rows">Rows of tiles.</param>
/// <param name="Columns">Columns of tiles.</param>
/// <param name="ResizedHeight">Height in pixels of the picture inside the grid; the rest is black.</param>
/// <param name="ResizedWidth">Width in pixels of the picture inside the grid.</param>
internal readonly record struct TileGrid(int Rows, int Columns, int ResizedHeight, int ResizedWidth)
{
    /// <summary>Tiles with the global one, which a grid of one tile does not have.</summary>
    public int Tiles => CountTiles(Rows, Columns);

    /// <summary>Tiles of a grid with the global one.</summary>
    /// <exception cref="OverflowException">There are more than 2³¹-1.</exception>
    public static int CountTiles(int rows, int columns) => rows == 1 && columns == 1 ? 1 : checked(rows * columns + 1);
}
