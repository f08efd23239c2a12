using System.Globalization;

namespace Llama4Kernels.Engine.Images;

/// <summary>A picture cut into tiles: local tiles row by row, then the global tile if there is more than one.</summary>
internal sealed class PreprocessedImage
{
    /// <summary>Wraps finished tiles.</summary>
    /// <param name="grid">The grid.</param>
    /// <param name="tileSize">Side of a tile in pixels.</param>
    /// <param name="u8Tiles">Samples [N, 3, tile, tile].</param>
    /// <param name="bf16Tiles">Normalized samples [N, 3, tile, tile], bf16 bits.</param>
    /// <param name="contentHash">Identifies picture and tiling.</param>
    internal PreprocessedImage(TileGrid grid, int tileSize, byte[] u8Tiles, ushort[] bf16Tiles, string contentHash)
    {
        Grid = grid;
        TileSize = tileSize;
        U8Tiles = u8Tiles;
        Bf16Tiles = bf16Tiles;
        ContentHash = contentHash;
        Key = long.Parse(contentHash.AsSpan(0, 16), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
    }

    /// <summary>The grid and the resized picture's size.</summary>
    public TileGrid Grid { get; }

    /// <summary>Rows of tiles.</summary>
    public int Rows => Grid.Rows;

    /// <summary>Columns of tiles.</summary>
    public int Columns => Grid.Columns;

    /// <summary>Height in pixels of the picture inside the grid.</summary>
    public int ResizedHeight => Grid.ResizedHeight;

    /// <summary>Width in pixels of the picture inside the grid.</summary>
    public int ResizedWidth => Grid.ResizedWidth;

    /// <summary>Tiles with the global one.</summary>
    public int Tiles => Grid.Tiles;

    /// <summary>Side of a tile in pixels.</summary>
    public int TileSize { get; }

    /// <summary>Samples before normalization, [Tiles, 3, TileSize, TileSize].</summary>
    public byte[] U8Tiles { get; }

    /// <summary>Normalized samples, -1 to 1, as bf16 bits, [Tiles, 3, TileSize, TileSize].</summary>
    public ushort[] Bf16Tiles { get; }

    /// <summary>
    /// SHA-256 in lower-case hexadecimal over the tiling options, the picture's size and its RGB pixels: equal hashes
    /// mean equal tiles.
    /// </summary>
    public string ContentHash { get; }

    /// <summary>The first bits of <see cref="ContentHash"/>.</summary>
    internal long Key { get; }
}
