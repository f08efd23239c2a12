using System.Buffers.Binary;

namespace Llama4Kernels.Engine.Images;

/// <summary>A PNG's chunks, checked: header, palette, transparency, orientation and the compressed pixels.</summary>
internal sealed class PngFile
{
    // No deflate stream grows by more than this, so a longer claim is a lie that costs no memory to find.
    private const long MaxInflation = 1032;

    private static readonly uint[] s_crcTable = MakeCrcTable();

    private PngFile(int width, int height, int depth, int colourType, bool interlaced)
    {
        Width = width;
        Height = height;
        Depth = depth;
        ColourType = colourType;
        Interlaced = interlaced;
    }

    /// <summary>The first eight bytes of every PNG.</summary>
    public static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>Columns.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>Bits per sample: 1, 2, 4, 8 or 16.</summary>
    public int Depth { get; }

    /// <summary>0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha.</summary>
    public int ColourType { get; }

    /// <summary>Whether the pixels come in the seven Adam7 passes.</summary>
    public bool Interlaced { get; }

    /// <summary>RGB triples, or empty.</summary>
    public byte[] Palette { get; private set; } = [];

    /// <summary>The tRNS chunk, or empty: alpha per palette entry, or one transparent colour in 16-bit samples.</summary>
    public byte[] Transparency { get; private set; } = [];

    /// <summary>EXIF orientation 1 to 8; 1 when there is none.</summary>
    public int Orientation { get; private set; } = 1;

    /// <summary>All IDAT content in order: one zlib stream.</summary>
    public byte[] Compressed { get; private set; } = [];

    /// <summary>Samples per pixel as stored.</summary>
    public int Channels => ColourType switch { 2 => 3, 4 => 2, 6 => 4, _ => 1 };

    /// <summary>Bytes of one stored row without its filter byte.</summary>
    /// <param name="columns">Pixels in the row.</param>
    /// <returns>Whole bytes.</returns>
    public int RowBytes(int columns) => checked((int)((((long)columns * Channels * Depth) + 7) / 8));

    /// <summary>Reads and checks the chunks; no pixel is inflated.</summary>
    /// <param name="data">The file.</param>
    /// <param name="source">What errors call it.</param>
    /// <param name="options">Size limits.</param>
    /// <returns>The parts.</returns>
    /// <exception cref="ImageFormatException">A structure fault or a limit passed.</exception>
    public static PngFile Parse(byte[] data, string source, ImageDecodeOptions options)
    {
        PngFile? file = null;
        using MemoryStream compressed = new();
        int position = Signature.Length;
        while (true)
        {
            if (data.Length - position < 12)
            {
                throw new ImageFormatException(source, "truncated PNG: the file ends before its IEND chunk.");
            }
            uint length = BinaryPrimitives.ReadUInt32BigEndian(data.AsSpan(position));
            ReadOnlySpan<byte> type = data.AsSpan(position + 4, 4);
            if (length > data.Length - position - 12)
            {
                throw new ImageFormatException(
                    source, $"truncated PNG: chunk {Name(type)} claims {length} bytes, more than the file has left.");
            }
            ReadOnlySpan<byte> content = data.AsSpan(position + 8, (int)length);
            // Lower-case first letter: ancillary. Those that are not read here need no valid checksum.
            bool used = (type[0] & 0x20) == 0 || type.SequenceEqual("tRNS"u8) || type.SequenceEqual("eXIf"u8);
            if (used)
            {
                CheckCrc(data.AsSpan(position + 4, (int)length + 4), data.AsSpan(position + 8 + (int)length), source);
            }
            position += 12 + (int)length;
            if (file is null)
            {
                file = type.SequenceEqual("IHDR"u8)
                    ? ReadHeader(content, source, options)
                    : throw new ImageFormatException(source, "PNG whose first chunk is not IHDR.");
            }
            else if (type.SequenceEqual("IDAT"u8))
            {
                compressed.Write(content);
            }
            else if (type.SequenceEqual("IEND"u8))
            {
                file.Compressed = compressed.ToArray();
                file.CheckComplete(source);
                return file;
            }
            else if (used)
            {
                file.Read(type, content, source);
            }
        }
    }

    private static PngFile ReadHeader(ReadOnlySpan<byte> content, string source, ImageDecodeOptions options)
    {
        if (content.Length != 13)
        {
            throw new ImageFormatException(source, $"PNG header of {content.Length} bytes instead of 13.");
        }
        uint width = BinaryPrimitives.ReadUInt32BigEndian(content);
        uint height = BinaryPrimitives.ReadUInt32BigEndian(content[4..]);
        options.CheckSize(source, width, height);
        int depth = content[8];
        int colourType = content[9];
        bool known = colourType switch
        {
            0 => depth is 1 or 2 or 4 or 8 or 16,
            3 => depth is 1 or 2 or 4 or 8,
            2 or 4 or 6 => depth is 8 or 16,
            _ => false,
        };
        if (!known)
        {
            throw new ImageFormatException(source, $"PNG with colour type {colourType} at {depth} bits does not exist.");
        }
        if (content[10] != 0 || content[11] != 0 || content[12] > 1)
        {
            throw new ImageFormatException(
                source, $"PNG with unknown compression {content[10]}, filter {content[11]} or interlace {content[12]} method.");
        }
        return new PngFile((int)width, (int)height, depth, colourType, content[12] == 1);
    }

    private void Read(ReadOnlySpan<byte> type, ReadOnlySpan<byte> content, string source)
    {
        if (type.SequenceEqual("PLTE"u8))
        {
            if (content.Length == 0 || content.Length % 3 != 0 || content.Length > 768 || Palette.Length > 0)
            {
                throw new ImageFormatException(source, $"PNG palette of {content.Length} bytes, or a second palette.");
            }
            Palette = content.ToArray();
        }
        else if (type.SequenceEqual("tRNS"u8))
        {
            bool fits = ColourType switch
            {
                0 => content.Length == 2,
                2 => content.Length == 6,
                3 => content.Length * 3 <= Palette.Length,
                _ => false,
            };
            if (!fits)
            {
                throw new ImageFormatException(
                    source, $"PNG transparency of {content.Length} bytes does not fit colour type {ColourType}.");
            }
            Transparency = content.ToArray();
        }
        else if (type.SequenceEqual("eXIf"u8))
        {
            Orientation = ExifOrientation.Parse(content);
        }
        else
        {
            throw new ImageFormatException(source, $"PNG with a second or unknown critical chunk {Name(type)}.");
        }
    }

    private void CheckComplete(string source)
    {
        if (ColourType == 3 && Palette.Length == 0)
        {
            throw new ImageFormatException(source, "PNG of palette type without a palette.");
        }
        long raw = (long)RowBytes(Width) * Height;
        if (Compressed.Length == 0 || raw / MaxInflation > Compressed.Length)
        {
            throw new ImageFormatException(
                source, $"PNG with {Compressed.Length} bytes of pixel data, too few for {Width}x{Height} pixels.");
        }
    }

    private static void CheckCrc(ReadOnlySpan<byte> typeAndContent, ReadOnlySpan<byte> stored, string source)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in typeAndContent)
        {
            crc = s_crcTable[(byte)(crc ^ value)] ^ (crc >> 8);
        }
        if (~crc != BinaryPrimitives.ReadUInt32BigEndian(stored))
        {
            throw new ImageFormatException(source, $"damaged PNG: the checksum of chunk {Name(typeAndContent[..4])} is wrong.");
        }
    }

    // File content goes into messages only as hexadecimal or letters: it may hold anything.
    private static string Name(ReadOnlySpan<byte> type)
    {
        foreach (byte letter in type)
        {
            if (!char.IsAsciiLetter((char)letter))
            {
                return $"0x{Convert.ToHexString(type)}";
            }
        }
        return System.Text.Encoding.ASCII.GetString(type);
    }

    private static uint[] MakeCrcTable()
    {
        uint[] table = new uint[256];
        for (uint i = 0; i < 256; i++)
        {
            uint value = i;
            for (int bit = 0; bit < 8; bit++)
            {
                value = (value & 1) != 0 ? 0xEDB88320 ^ (value >> 1) : value >> 1;
            }
            table[i] = value;
        }
        return table;
    }
}
