using System.Buffers.Binary;
using System.Security.Cryptography;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Engine.Images;

/// <summary>From a decoded picture to the tiles the vision tower reads, bit for bit as the model was trained.</summary>
internal static class ImagePreprocessor
{
    private static readonly ushort[] s_normalized = MakeNormalized();

    /// <summary>Chooses the grid, resizes, pads with black, cuts and normalizes.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="options">Tile size and count; null for the released models' 336 and 16.</param>
    /// <returns>The tiles.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An option is not positive.</exception>
    public static PreprocessedImage Process(RgbImage image, TileOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(image);
        options ??= new TileOptions();
        int tile = options.Tile;
        TileGrid grid = TileCanvas.Choose(
            image.Width, image.Height, tile, options.MaxTiles, options.ResizeToMaxCanvas);
        RgbImage resized = AntialiasedResize.Resize(image, grid.ResizedWidth, grid.ResizedHeight);
        int local = grid.Rows * grid.Columns;
        // The global tile is the original squeezed to a square: its sides' ratio is not kept.
        RgbImage? global = grid.Tiles > local ? AntialiasedResize.Resize(image, tile, tile) : null;
        int tileSamples = checked(3 * tile * tile);
        byte[] u8 = new byte[checked(grid.Tiles * tileSamples)];
        ushort[] bf16 = new ushort[u8.Length];
        Parallel.For(0, grid.Tiles, index =>
        {
            Span<byte> planes = u8.AsSpan(index * tileSamples, tileSamples);
            if (index < local)
            {
                Cut(resized, index % grid.Columns * tile, index / grid.Columns * tile, tile, planes);
            }
            else
            {
                Cut(global!, 0, 0, tile, planes);
            }
            Normalize(planes, bf16.AsSpan(index * tileSamples, tileSamples));
        });
        return new PreprocessedImage(grid, tile, u8, bf16, Hash(image, options));
    }

    /// <summary>Copies one tile from interleaved pixels to planes; what lies outside the picture stays black.</summary>
    private static void Cut(RgbImage image, int left, int top, int tile, Span<byte> planes)
    {
        int columns = Math.Min(tile, image.Width - left);
        int rows = Math.Min(tile, image.Height - top);
        if (columns <= 0)
        {
            return;
        }
        int plane = tile * tile;
        for (int y = 0; y < rows; y++)
        {
            ReadOnlySpan<byte> row = image.Pixels.AsSpan(3 * (((top + y) * image.Width) + left), 3 * columns);
            Span<byte> red = planes.Slice(y * tile, columns);
            Span<byte> green = planes.Slice(plane + (y * tile), columns);
            Span<byte> blue = planes.Slice((2 * plane) + (y * tile), columns);
            for (int x = 0; x < columns; x++)
            {
                red[x] = row[3 * x];
                green[x] = row[(3 * x) + 1];
                blue[x] = row[(3 * x) + 2];
            }
        }
    }

    private static void Normalize(ReadOnlySpan<byte> samples, Span<ushort> bf16)
    {
        ushort[] table = s_normalized;
        for (int i = 0; i < samples.Length; i++)
        {
            bf16[i] = table[samples[i]];
        }
    }

    private static string Hash(RgbImage image, TileOptions options)
    {
        Span<byte> header = stackalloc byte[20];
        BinaryPrimitives.WriteInt32LittleEndian(header, options.Tile);
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], options.MaxTiles);
        BinaryPrimitives.WriteInt32LittleEndian(header[8..], options.ResizeToMaxCanvas ? 1 : 0);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], image.Width);
        BinaryPrimitives.WriteInt32LittleEndian(header[16..], image.Height);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(header);
        hash.AppendData(image.Pixels);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    // The model's own preprocessing rounds to bf16 after every step; one rounding at the end gives other values.
    private static ushort[] MakeNormalized()
    {
        ushort[] table = new ushort[256];
        for (int pixel = 0; pixel < table.Length; pixel++)
        {
            table[pixel] = Bf16.FromSingle(Bf16.Round(Bf16.Round(pixel / 255f) - 0.5f) / 0.5f);
        }
        return table;
    }
}
