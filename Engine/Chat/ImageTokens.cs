using Llama4Kernels.Engine.Images;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Chat;

/// <summary>
/// The run of tokens that stands for an image: start; the tiles row by row, with separators, if there is more than
/// one; the image mark; the only or global tile; end. A tile is a run of patch tokens, which the image features
/// replace in this order.
/// </summary>
internal sealed class ImageTokens
{
    private readonly int _start;
    private readonly int _end;
    private readonly int _image;
    private readonly int _tileX;
    private readonly int _tileY;

    private static readonly string[] s_needed =
    [
        Llama4SpecialTokens.ImageStart, Llama4SpecialTokens.ImageEnd, Llama4SpecialTokens.Image,
        Llama4SpecialTokens.TileXSeparator, Llama4SpecialTokens.TileYSeparator, Llama4SpecialTokens.Patch,
    ];

    /// <summary>Looks the tokens up.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="tokensPerTile">Patch tokens of a tile: 144 for the published models.</param>
    /// <exception cref="ArgumentException">The tokenizer lacks an image token.</exception>
    /// <exception cref="ArgumentOutOfRangeException">tokensPerTile is not positive.</exception>
    public ImageTokens(Llama4Tokenizer tokenizer, int tokensPerTile)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tokensPerTile);
        TokensPerTile = tokensPerTile;
        _start = SpecialIds.Of(tokenizer, Llama4SpecialTokens.ImageStart);
        _end = SpecialIds.Of(tokenizer, Llama4SpecialTokens.ImageEnd);
        _image = SpecialIds.Of(tokenizer, Llama4SpecialTokens.Image);
        _tileX = SpecialIds.Of(tokenizer, Llama4SpecialTokens.TileXSeparator);
        _tileY = SpecialIds.Of(tokenizer, Llama4SpecialTokens.TileYSeparator);
        PatchId = SpecialIds.Of(tokenizer, Llama4SpecialTokens.Patch);
    }

    /// <summary>Patch tokens of a tile.</summary>
    public int TokensPerTile { get; }

    /// <summary>The id whose embeddings the image features replace.</summary>
    public int PatchId { get; }

    /// <summary>Whether a tokenizer has the tokens of images; those of text-only derivatives may lack them.</summary>
    public static bool AreIn(Llama4Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return Array.TrueForAll(s_needed, name => tokenizer.TryGetSpecial(name, out _));
    }

    /// <summary>Length of an image's run.</summary>
    /// <param name="rows">Tiles from top to bottom, at least 1.</param>
    /// <param name="columns">Tiles from left to right, at least 1.</param>
    /// <param name="tokensPerTile">Patch tokens n of a tile.</param>
    /// <returns>n + 3 for one tile, (n + 1)·rows·columns + n + 3 for more: each tile of a grid is followed by a separator.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is below 1.</exception>
    /// <exception cref="OverflowException">The run has more than 2³¹-1 tokens.</exception>
    public static int Count(int rows, int columns, int tokensPerTile)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tokensPerTile);
        int tiles = TileGrid.CountTiles(rows, columns);
        return checked(tiles * tokensPerTile + (tiles - 1) + 3);
    }

    /// <summary>Appends an image's run.</summary>
    /// <param name="ids">Receives the ids.</param>
    /// <param name="rows">Tiles from top to bottom, at least 1.</param>
    /// <param name="columns">Tiles from left to right, at least 1.</param>
    /// <returns>Index of each tile's first patch, in the order of the picture's features.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is below 1.</exception>
    /// <exception cref="OverflowException">The run has more than 2³¹-1 tokens.</exception>
    public int[] Append(List<int> ids, int rows, int columns)
    {
        ArgumentNullException.ThrowIfNull(ids);
        ids.EnsureCapacity(checked(ids.Count + Count(rows, columns, TokensPerTile)));
        var tiles = new int[TileGrid.CountTiles(rows, columns)];
        ids.Add(_start);
        for (int tile = 0; tile < tiles.Length - 1; tile++)
        {
            tiles[tile] = AppendTile(ids);
            ids.Add((tile + 1) % columns != 0 ? _tileX : _tileY);
        }
        ids.Add(_image);
        tiles[^1] = AppendTile(ids);
        ids.Add(_end);
        return tiles;
    }

    private int AppendTile(List<int> ids)
    {
        int first = ids.Count;
        for (int patch = 0; patch < TokensPerTile; patch++)
        {
            ids.Add(PatchId);
        }
        return first;
    }
}
