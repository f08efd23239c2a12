using System.Buffers.Binary;

namespace Llama4Kernels.Engine.Images;

/// <summary>EXIF orientation: which way up a stored picture is shown.</summary>
internal static class ExifOrientation
{
    private const ushort OrientationTag = 0x0112;
    private const ushort ShortType = 3;

    /// <summary>Finds the orientation in a TIFF block, as PNG's eXIf chunk holds one.</summary>
    /// <param name="tiff">The block.</param>
    /// <returns>1 to 8; 1, as stored, when the block has none or is malformed: it is only advice.</returns>
    public static int Parse(ReadOnlySpan<byte> tiff)
    {
        bool little = tiff.StartsWith("II*\0"u8);
        if (tiff.Length < 8 || (!little && !tiff.StartsWith("MM\0*"u8)))
        {
            return 1;
        }
        uint offset = Read32(tiff[4..], little);
        if (offset > tiff.Length - 2)
        {
            return 1;
        }
        ReadOnlySpan<byte> entries = tiff[((int)offset + 2)..];
        int count = Math.Min(Read16(tiff[(int)offset..], little), entries.Length / 12);
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> entry = entries.Slice(12 * i, 12);
            if (Read16(entry, little) == OrientationTag && Read16(entry[2..], little) == ShortType)
            {
                int value = Read16(entry[8..], little);
                return value is >= 1 and <= 8 ? value : 1;
            }
        }
        return 1;
    }

    /// <summary>Turns a stored picture the way it is shown.</summary>
    /// <param name="image">As stored.</param>
    /// <param name="orientation">1 to 8.</param>
    /// <returns>The upright picture; the same object for orientation 1.</returns>
    public static RgbImage Apply(RgbImage image, int orientation)
    {
        if (orientation == 1)
        {
            return image;
        }
        (int width, int height) = orientation >= 5 ? (image.Height, image.Width) : (image.Width, image.Height);
        int right = image.Width - 1;
        int bottom = image.Height - 1;
        byte[] source = image.Pixels;
        byte[] target = new byte[source.Length];
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                (int fromX, int fromY) = orientation switch
                {
                    2 => (right - x, y),
                    3 => (right - x, bottom - y),
                    4 => (x, bottom - y),
                    5 => (y, x),
                    6 => (y, bottom - x),
                    7 => (right - y, bottom - x),
                    8 => (right - y, x),
                    _ => throw new ArgumentOutOfRangeException(nameof(orientation), orientation, "1 to 8"),
                };
                int from = 3 * ((fromY * image.Width) + fromX);
                int to = 3 * ((y * width) + x);
                target[to] = source[from];
                target[to + 1] = source[from + 1];
                target[to + 2] = source[from + 2];
            }
        }
        return new RgbImage(width, height, target);
    }

    private static ushort Read16(ReadOnlySpan<byte> data, bool little) =>
        little ? BinaryPrimitives.ReadUInt16LittleEndian(data) : BinaryPrimitives.ReadUInt16BigEndian(data);

    private static uint Read32(ReadOnlySpan<byte> data, bool little) =>
        little ? BinaryPrimitives.ReadUInt32LittleEndian(data) : BinaryPrimitives.ReadUInt32BigEndian(data);
}
