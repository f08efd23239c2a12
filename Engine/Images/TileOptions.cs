namespace Llama4Kernels.Engine.Images;

/// <summary>How a picture is cut into tiles.</summary>
/// <param name="Tile">Side of a tile in pixels.</param>
/// <param name="MaxTiles">Most tiles in the grid, without the global one.</param>
/// <param name="ResizeToMaxCanvas">Whether small pictures are enlarged as far as a grid allows.</param>
internal sealed record TileOptions(int Tile = 336, int MaxTiles = 16, bool ResizeToMaxCanvas = false);
