using System.Text.Json;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Images;

namespace Llama4Kernels.Tests.Engine.Images;

public class BadImageTests
{
    public static TheoryData<string> Files() => [.. ImageGoldens.Rows("bad.jsonl").Select(row => row.Text("file"))];

    [Theory]
    [MemberData(nameof(Files))]
    public void EveryBadFileGivesATypedErrorOrExactPixels(string file)
    {
        JsonElement row = ImageGoldens.Rows("bad.jsonl").Single(candidate => candidate.Text("file") == file);
        byte[] data = File.ReadAllBytes(GoldenFiles.Path("images", file));
        Assert.Equal(row.Int("bytes"), data.Length);
        bool mustFail = row.Text("expect") == "error";
        bool mayFail = mustFail || row.TryGetProperty("may_reject", out _);
        long before = GC.GetAllocatedBytesForCurrentThread();
        RgbImage? image = null;
        try
        {
            image = ImageDecoder.Decode(data, null, file);
        }
        catch (ImageFormatException error)
        {
            Assert.True(mayFail, error.Message);
            Assert.Equal(file, error.ImageSource);
            Assert.StartsWith(file + ": ", error.Message, StringComparison.Ordinal);
            Assert.Equal(file + ": " + error.Reason, error.Message);
        }
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4 << 20);
        if (image is not null)
        {
            Assert.False(mustFail, $"{file} was accepted: {row.Text("why")}");
            Assert.Equal((row.Int("width"), row.Int("height")), (image.Width, image.Height));
            Assert.True(ImageGoldens.Hash(image.Pixels) == row.Text("sha256_rgb"), $"{file}: pixels differ");
        }
    }

    // What the reference data leaves open, this decoder decides: these are accepted.
    [Theory]
    [InlineData("bad/crc_text.png")]
    [InlineData("bad/idat_long.png")]
    [InlineData("bad/gif.gif")]
    [InlineData("bad/animated.gif")]
    [InlineData("bad/webp.webp")]
    [InlineData("bad/bmp.bmp")]
    public void HarmlessOdditiesAndOtherTypesDecode(string file) =>
        Assert.Equal(60, ImageGoldens.Decode(file, ImageDecodeMode.Full).Width);

    [Fact]
    public void AFileCutAnywhereIsRefusedOrComplete()
    {
        foreach (string name in new[] { "palette4_adam7_13x9.png", "jpeg_420_7x5.jpg", "bad/webp.webp", "bad/gif.gif", "bad/bmp.bmp" })
        {
            byte[] data = File.ReadAllBytes(GoldenFiles.Path("images", name));
            RgbImage whole = ImageDecoder.Decode(data);
            int refused = 0;
            for (int length = 0; length < data.Length; length += 1 + (data.Length / 200))
            {
                try
                {
                    RgbImage part = ImageDecoder.Decode(data[..length]);
                    Assert.Equal(whole.Pixels, part.Pixels);
                }
                catch (ImageFormatException)
                {
                    refused++;
                }
            }
            Assert.True(refused > 20, $"{name}: {refused}");
        }
    }

    [Fact]
    public void FlippedBitsGivePicturesOrTypedErrors()
    {
        Random random = new(7);
        foreach (string name in new[] { "rgba16_60x40.png", "jpeg_420_7x5.jpg", "jpeg_cmyk_64x48.jpg", "bad/webp.webp", "bad/gif.gif" })
        {
            byte[] data = File.ReadAllBytes(GoldenFiles.Path("images", name));
            for (int trial = 0; trial < 100; trial++)
            {
                byte[] damaged = [.. data];
                damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
                try
                {
                    RgbImage image = ImageDecoder.Decode(damaged, new ImageDecodeOptions { MaxPixels = 1 << 20 });
                    Assert.Equal(3 * image.Width * image.Height, image.Pixels.Length);
                }
                catch (ImageFormatException error)
                {
                    Assert.NotEmpty(error.Reason);
                }
            }
        }
    }

    [Theory]
    [InlineData("rgb_224x224.png")]
    [InlineData("jpeg_444_224x224.jpg")]
    public void LimitsAreCheckedBeforeDecoding(string name)
    {
        string path = GoldenFiles.Path("images", name);
        Assert.Equal(224, ImageDecoder.Decode(path, new ImageDecodeOptions { MaxPixels = 224 * 224, MaxSide = 224 }).Width);
        Refused(path, new ImageDecodeOptions { MaxPixels = (224 * 224) - 1 }, "50175");
        Refused(path, new ImageDecodeOptions { MaxSide = 223 }, "223");
        Refused(path, new ImageDecodeOptions { MaxBytes = 100 }, "100");
        static void Refused(string path, ImageDecodeOptions options, string limit) =>
            Assert.Contains(limit, Assert.Throws<ImageFormatException>(() => ImageDecoder.Decode(path, options)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void EmptyAndForeignContentIsNamed()
    {
        Assert.Contains("empty", Assert.Throws<ImageFormatException>(() => ImageDecoder.Decode([])).Reason, StringComparison.Ordinal);
        ImageFormatException svg = Assert.Throws<ImageFormatException>(
            () => ImageDecoder.Decode("<svg xmlns='http://www.w3.org/2000/svg'/>"u8.ToArray(), null, "upload 3"));
        Assert.Equal("upload 3", svg.ImageSource);
        Assert.Contains("PNG, JPEG", svg.Reason, StringComparison.Ordinal);
        Assert.Throws<FileNotFoundException>(() => ImageDecoder.Decode(GoldenFiles.Path("images", "none.png")));
    }

    [Fact]
    public void PixelsMustFitTheirSize() =>
        Assert.Throws<ArgumentException>(() => new RgbImage(2, 2, new byte[11]));
}
