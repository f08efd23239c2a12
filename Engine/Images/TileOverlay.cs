using Llama4Kernels.Interop.Files;
using SkiaSharp;

namespace Llama4Kernels.Engine.Images;

/// <summary>Shows what the model sees: the resized picture on its canvas with the tile grid drawn over it.</summary>
internal static class TileOverlay
{
    private const int LineWidth = 2;

    private static ReadOnlySpan<byte> LineColour => [255, 0, 255];

    /// <summary>Draws the grid.</summary>
    /// <param name="image">The original picture.</param>
    /// <param name="options">Tile size and count; null for the released models' 336 and 16.</param>
    /// <returns>The canvas, Columns x Rows tiles, padding black, each tile framed in magenta.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An option is not positive.</exception>
    public static RgbImage Draw(RgbImage image, TileOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(image);
        options ??= new TileOptions();
        TileGrid grid = TileCanvas.Choose(
            image.Width, image.Height, options.Tile, options.MaxTiles, options.ResizeToMaxCanvas);
        RgbImage resized = AntialiasedResize.Resize(image, grid.ResizedWidth, grid.ResizedHeight);
        int width = checked(grid.Columns * options.Tile);
        int height = checked(grid.Rows * options.Tile);
        byte[] pixels = new byte[checked(3 * width * height)];
        for (int y = 0; y < resized.Height; y++)
        {
            resized.Pixels.AsSpan(3 * y * resized.Width, 3 * resized.Width).CopyTo(pixels.AsSpan(3 * y * width));
        }
        for (int y = 0; y < height; y++)
        {
            bool onLine = IsEdge(y, options.Tile);
            for (int x = 0; x < width; x++)
            {
                if (onLine || IsEdge(x, options.Tile))
                {
                    LineColour.CopyTo(pixels.AsSpan(3 * ((y * width) + x)));
                }
            }
        }
        return new RgbImage(width, height, pixels);
    }

    /// <summary>Draws the grid and writes it as PNG, replacing the file.</summary>
    /// <param name="path">The file to write.</param>
    /// <param name="image">The original picture.</param>
    /// <param name="options">Tile size and count; null for the released models' 336 and 16.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is not positive.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(string path, RgbImage image, TileOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        byte[] png = Encode(Draw(image, options));
        using OutputFile file = OutputFile.Create(path);
        file.Stream.Write(png);
        file.Commit();
    }

    private static byte[] Encode(RgbImage image)
    {
        byte[] rgba = new byte[checked(4 * image.Width * image.Height)];
        for (int from = 0, to = 0; to < rgba.Length; from += 3, to += 4)
        {
            image.Pixels.AsSpan(from, 3).CopyTo(rgba.AsSpan(to));
            rgba[to + 3] = byte.MaxValue;
        }
        SKImageInfo info = new(image.Width, image.Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using SKImage picture = SKImage.FromPixelCopy(info, rgba, info.RowBytes);
        using SKData encoded = picture.Encode(SKEncodedImageFormat.Png, 100)
            ?? throw new InvalidOperationException($"the {image.Width}x{image.Height} overlay could not be encoded.");
        return encoded.ToArray();
    }

    private static bool IsEdge(int position, int tile)
    {
        int inside = position % tile;
        return inside < LineWidth || inside >= tile - LineWidth;
    }
}
