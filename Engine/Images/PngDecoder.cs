using System.IO.Compression;

namespace Llama4Kernels.Engine.Images;

/// <summary>
/// Inflates and unfilters a PNG's rows. Written here because no library at hand gives the exact samples of 16-bit
/// grey in both modes; the inflating is the runtime's.
/// </summary>
internal static class PngDecoder
{
    private static readonly (int X, int Y, int StepX, int StepY)[] s_wholeImage = [(0, 0, 1, 1)];

    private static readonly (int X, int Y, int StepX, int StepY)[] s_adam7 =
    [
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
    ];

    /// <summary>Decodes a PNG.</summary>
    /// <param name="data">The file.</param>
    /// <param name="source">What errors call it.</param>
    /// <param name="options">Conversions and limits.</param>
    /// <returns>The picture as stored and its EXIF orientation.</returns>
    /// <exception cref="ImageFormatException">The file is damaged or passes a limit.</exception>
    public static (RgbImage Image, int Orientation) Decode(byte[] data, string source, ImageDecodeOptions options)
    {
        PngFile file = PngFile.Parse(data, source, options);
        PngRowConverter converter = new(file, options.Mode, source);
        byte[] pixels = new byte[3L * file.Width * file.Height];
        using ZLibStream stream = new(new MemoryStream(file.Compressed, writable: false), CompressionMode.Decompress);
        foreach ((int x, int y, int stepX, int stepY) in file.Interlaced ? s_adam7 : s_wholeImage)
        {
            int columns = (file.Width - x + stepX - 1) / stepX;
            int rows = (file.Height - y + stepY - 1) / stepY;
            if (columns <= 0 || rows <= 0)
            {
                continue;
            }
            int rowBytes = file.RowBytes(columns);
            int pixelBytes = Math.Max(1, file.Channels * file.Depth / 8);
            // One filter byte before the row; the row before the first is all zeros.
            byte[] row = new byte[rowBytes + 1];
            byte[] above = new byte[rowBytes + 1];
            for (int r = 0; r < rows; r++)
            {
                ReadRow(stream, row, source, y + (r * stepY));
                Unfilter(row[0], row.AsSpan(1), above.AsSpan(1), pixelBytes, source);
                long start = 3 * ((((long)y + (r * (long)stepY)) * file.Width) + x);
                converter.Convert(row.AsSpan(1), columns, pixels.AsSpan((int)start), 3 * stepX);
                (row, above) = (above, row);
            }
        }
        return (new RgbImage(file.Width, file.Height, pixels), file.Orientation);
    }

    private static void ReadRow(ZLibStream stream, byte[] row, string source, int y)
    {
        int got;
        try
        {
            got = stream.ReadAtLeast(row, row.Length, throwOnEndOfStream: false);
        }
        catch (InvalidDataException inner)
        {
            throw new ImageFormatException(source, $"damaged PNG: the pixel data cannot be inflated at row {y}.", inner);
        }
        if (got < row.Length)
        {
            throw new ImageFormatException(source, $"truncated PNG: the pixel data ends at row {y}.");
        }
    }

    private static void Unfilter(byte filter, Span<byte> row, ReadOnlySpan<byte> above, int pixelBytes, string source)
    {
        switch (filter)
        {
            case 0:
                break;
            case 1:
                for (int i = pixelBytes; i < row.Length; i++)
                {
                    row[i] += row[i - pixelBytes];
                }
                break;
            case 2:
                for (int i = 0; i < row.Length; i++)
                {
                    row[i] += above[i];
                }
                break;
            case 3:
                for (int i = 0; i < row.Length; i++)
                {
                    int left = i >= pixelBytes ? row[i - pixelBytes] : 0;
                    row[i] += (byte)((left + above[i]) >> 1);
                }
                break;
            case 4:
                for (int i = 0; i < row.Length; i++)
                {
                    int left = i >= pixelBytes ? row[i - pixelBytes] : 0;
                    int corner = i >= pixelBytes ? above[i - pixelBytes] : 0;
                    row[i] += Paeth(left, above[i], corner);
                }
                break;
            default:
                throw new ImageFormatException(source, $"damaged PNG: row filter {filter} does not exist.");
        }
    }

    private static byte Paeth(int left, int above, int corner)
    {
        int toLeft = Math.Abs(above - corner);
        int toAbove = Math.Abs(left - corner);
        int toCorner = Math.Abs(left + above - corner - corner);
        return (byte)(toLeft <= toAbove && toLeft <= toCorner ? left : toAbove <= toCorner ? above : corner);
    }
}
