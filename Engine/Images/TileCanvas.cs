namespace Llama4Kernels.Engine.Images;

/// <summary>Chooses the grid of tiles for a picture, bit for bit as the model was trained.</summary>
internal static class TileCanvas
{
    /// <summary>
    /// The least enlarging grid that holds the picture unscaled, else the least shrinking one; of equals the smallest.
    /// </summary>
    /// <param name="width">The picture's columns, positive.</param>
    /// <param name="height">The picture's rows, positive.</param>
    /// <param name="tile">Side of a tile in pixels, positive.</param>
    /// <param name="maxTiles">Most tiles in the grid, positive; the global tile is not counted.</param>
    /// <param name="resizeToMaxCanvas">Enlarge the picture as far as a grid allows instead.</param>
    /// <returns>The grid and the picture's size in it.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is not positive.</exception>
    public static TileGrid Choose(int width, int height, int tile, int maxTiles, bool resizeToMaxCanvas = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tile);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxTiles);
        (int rows, int columns) = ChooseGrid(width, height, tile, maxTiles, resizeToMaxCanvas);
        (int resizedHeight, int resizedWidth) = Fit(
            width, height, checked(tile * columns), checked(tile * rows), resizeToMaxCanvas ? int.MaxValue : tile);
        return new TileGrid(rows, columns, resizedHeight, resizedWidth);
    }

    private static (int Rows, int Columns) ChooseGrid(int width, int height, int tile, int maxTiles, bool largest)
    {
        (int Rows, int Columns) best = default;
        float bestScale = 0;
        for (int rows = 1; rows <= maxTiles; rows++)
        {
            for (int columns = 1; columns <= maxTiles / rows; columns++)
            {
                // Single precision and true division are part of the contract: other roundings pick other grids.
                float scale = Math.Min(
                    (float)((long)tile * columns) / width, (float)((long)tile * rows) / height);
                bool better = bestScale == 0
                    || (scale == bestScale
                        ? rows * columns < best.Rows * best.Columns
                        : IsBetter(scale, bestScale, largest));
                if (better)
                {
                    best = (rows, columns);
                    bestScale = scale;
                }
            }
        }
        return best;
    }

    private static bool IsBetter(float scale, float bestScale, bool largest)
    {
        if (largest || bestScale < 1)
        {
            return scale > bestScale;
        }
        return scale >= 1 && scale < bestScale;
    }

    // Double precision in exactly this order of operations: 1345x1344 must become 1344x1343.
    private static (int Height, int Width) Fit(int width, int height, int canvasWidth, int canvasHeight, int enlargeTo)
    {
        int targetWidth = Math.Min(Math.Max(width, enlargeTo), canvasWidth);
        int targetHeight = Math.Min(Math.Max(height, enlargeTo), canvasHeight);
        double scaleWidth = (double)targetWidth / width;
        double scaleHeight = (double)targetHeight / height;
        (int newHeight, int newWidth) = scaleWidth < scaleHeight
            ? ((int)Math.Min(Math.Floor(height * scaleWidth), targetHeight), targetWidth)
            : (targetHeight, (int)Math.Min(Math.Floor(width * scaleHeight), targetWidth));
        return (Math.Max(newHeight, 1), Math.Max(newWidth, 1));
    }
}
