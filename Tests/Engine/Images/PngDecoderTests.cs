using System.Buffers.Binary;
using System.IO.Compression;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Images;

namespace Llama4Kernels.Tests.Engine.Images;

/// <summary>PNG kinds and faults that no reference file has, built here chunk by chunk.</summary>
public class PngDecoderTests
{
    [Fact]
    public void GreyAndAlphaOf16BitsUseHighBytes()
    {
        byte[] png = Png(2, 1, 16, 4, [0, 100, 255, 128, 0, 7, 9, 0, 3]);
        Assert.Equal([177, 177, 177, 255, 255, 255], ImageDecoder.Decode(png).Pixels);
        Assert.Equal([100, 100, 100, 7, 7, 7], Reference(png));
    }

    [Fact]
    public void ATransparent16BitColourMustMatchInBothBytes()
    {
        byte[] key = Chunk("tRNS", [1, 2, 3, 4, 5, 6]);
        byte[] png = Png(2, 1, 16, 2, [0, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 7], key);
        Assert.Equal([255, 255, 255, 1, 3, 5], ImageDecoder.Decode(png).Pixels);
        Assert.Equal([1, 3, 5, 1, 3, 5], Reference(png));
    }

    [Fact]
    public void ATransparent16BitGreyTurnsWhiteUnlessReference()
    {
        byte[] png = Png(3, 1, 16, 0, [0, 1, 2, 1, 3, 0, 9], Chunk("tRNS", [1, 2]));
        Assert.Equal([255, 1, 0], ImageDecoder.Decode(png).Pixels.Where((_, i) => i % 3 == 0));
        Assert.Equal([255, 255, 9], Reference(png).Where((_, i) => i % 3 == 0));
    }

    [Theory]
    [InlineData(1, 0b10100000, new byte[] { 255, 0, 255 })]
    [InlineData(2, 0b00011000, new byte[] { 0, 85, 170 })]
    public void SmallDepthsAreScaledToTheFullRange(int depth, int row, byte[] expected) =>
        Assert.Equal(expected, ImageDecoder.Decode(Png(3, 1, depth, 0, [0, (byte)row])).Pixels.Where((_, i) => i % 3 == 0));

    [Fact]
    public void EveryFilterRestoresItsRow()
    {
        // Four grey pixels a row; the expected rows follow the specification's predictors by hand.
        byte[] rows =
        [
            0, 10, 20, 30, 40,
            1, 1, 1, 1, 1,
            2, 9, 8, 7, 6,
            3, 5, 5, 5, 5,
            4, 1, 1, 1, 1,
        ];
        byte[] grey = [.. ImageDecoder.Decode(Png(4, 5, 8, 0, rows)).Pixels.Where((_, i) => i % 3 == 0)];
        Assert.Equal(
            [10, 20, 30, 40, 1, 2, 3, 4, 10, 10, 10, 10, 10, 15, 17, 18, 11, 16, 18, 19], grey);
    }

    [Fact]
    public void ExifOrientationTurnsAPngUnlessReference()
    {
        byte[] exif = Chunk("eXIf", [.. "MM\0*"u8, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0]);
        byte[] png = Png(2, 1, 8, 0, [0, 5, 6], exif);
        RgbImage upright = ImageDecoder.Decode(png);
        Assert.Equal((1, 2), (upright.Width, upright.Height));
        Assert.Equal([5, 5, 5, 6, 6, 6], Reference(png));
    }

    [Fact]
    public void PixelDataMayBeSplitAndAncillaryChunksAreSkipped()
    {
        byte[] data = Deflate([0, 1, 2, 3]);
        byte[] png = Assemble(
            Header(3, 1, 8, 0), Chunk("gAMA", [0, 0, 0, 1]), Chunk("IDAT", data[..5]), Chunk("IDAT", []),
            Chunk("IDAT", data[5..]), Chunk("IEND", []));
        Assert.Equal([1, 1, 1, 2, 2, 2, 3, 3, 3], ImageDecoder.Decode(png).Pixels);
    }

    [Fact]
    public void StructureFaultsAreNamed()
    {
        byte[] rows = [0, 1];
        Refused("critical chunk ABCD", Png(1, 1, 8, 0, rows, Chunk("ABCD", [])));
        Refused("0x00", Png(1, 1, 8, 0, rows, Chunk("\0\u0001\u0002\u0003", [])));
        Refused("palette of 4", Png(1, 1, 8, 3, rows, Chunk("PLTE", [1, 2, 3, 4])));
        Refused("second palette", Png(1, 1, 8, 3, rows, [.. Chunk("PLTE", new byte[6]), .. Chunk("PLTE", new byte[6])]));
        Refused("transparency of 3", Png(1, 1, 8, 0, rows, Chunk("tRNS", [1, 2, 3])));
        Refused("transparency of 2", Png(1, 1, 8, 3, [0, 0], [.. Chunk("PLTE", new byte[3]), .. Chunk("tRNS", [1, 2])]));
        Refused("transparency of 2", Png(1, 1, 8, 4, [0, 0, 0], Chunk("tRNS", [1, 2])));
        Refused("header of 12", Assemble(Chunk("IHDR", new byte[12]), Chunk("IEND", [])));
        Refused("too few", Assemble(Header(5000, 5000, 8, 2), Chunk("IDAT", Deflate(rows)), Chunk("IEND", [])));
        Refused("colour 1 of a palette of 1", Png(1, 1, 8, 3, [0, 1], Chunk("PLTE", new byte[3])));
        static void Refused(string reason, byte[] png) => Assert.Contains(
            reason, Assert.Throws<ImageFormatException>(() => ImageDecoder.Decode(png)).Reason, StringComparison.Ordinal);
    }

    private static byte[] Reference(byte[] png) =>
        ImageDecoder.Decode(png, new ImageDecodeOptions { Mode = ImageDecodeMode.Reference }).Pixels;

    private static byte[] Png(int width, int height, int depth, int colourType, byte[] rows, byte[]? extra = null) =>
        Assemble(Header(width, height, depth, colourType), extra ?? [], Chunk("IDAT", Deflate(rows)), Chunk("IEND", []));

    private static byte[] Assemble(params byte[][] chunks) => [.. PngFile.Signature, .. chunks.SelectMany(chunk => chunk)];

    private static byte[] Header(int width, int height, int depth, int colourType)
    {
        byte[] content = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(content, width);
        BinaryPrimitives.WriteInt32BigEndian(content.AsSpan(4), height);
        content[8] = (byte)depth;
        content[9] = (byte)colourType;
        return Chunk("IHDR", content);
    }

    private static byte[] Chunk(string type, byte[] content)
    {
        byte[] chunk = new byte[content.Length + 12];
        BinaryPrimitives.WriteInt32BigEndian(chunk, content.Length);
        System.Text.Encoding.ASCII.GetBytes(type, chunk.AsSpan(4));
        content.CopyTo(chunk, 8);
        uint crc = uint.MaxValue;
        foreach (byte value in chunk.AsSpan(4, content.Length + 4))
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ (0xEDB88320 & (uint)-(int)(crc & 1));
            }
        }
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(content.Length + 8), ~crc);
        return chunk;
    }

    private static byte[] Deflate(byte[] rows)
    {
        using MemoryStream target = new();
        using (ZLibStream stream = new(target, CompressionLevel.Optimal, leaveOpen: true))
        {
            stream.Write(rows);
        }
        return target.ToArray();
    }
}
