using Llama4Kernels.Engine.Images;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Engine.Images;

public class ImagePreprocessorTests
{
    [Fact]
    public void NormalizationRoundsAfterEveryStep()
    {
        byte[] pixels = new byte[3 * 16 * 16];
        for (int i = 0; i < 256; i++)
        {
            pixels.AsSpan(3 * i, 3).Fill((byte)i);
        }
        PreprocessedImage result = ImagePreprocessor.Process(new RgbImage(16, 16, pixels), new TileOptions(16, 1));
        Assert.Equal(3 * 256, result.Bf16Tiles.Length);
        (int Pixel, float Value)[] known =
        [
            (0, -1f), (1, -0.9921875f), (2, -0.984375f), (127, -0.00390625f), (128, 0.0078125f), (200, 0.5703125f), (255, 1f),
        ];
        foreach ((int pixel, float value) in known)
        {
            Assert.Equal(value, Bf16.ToSingle(result.Bf16Tiles[pixel]));
            Assert.Equal(value, Bf16.ToSingle(result.Bf16Tiles[512 + pixel]));
        }
    }

    [Fact]
    public void TheHashTellsPicturesAndTilingsApart()
    {
        byte[] pixels = new byte[3 * 6];
        string hash = Hash(new RgbImage(3, 2, pixels), new TileOptions(28, 4));
        Assert.Equal(64, hash.Length);
        Assert.Equal(hash, Hash(new RgbImage(3, 2, [.. pixels]), new TileOptions(28, 4)));
        string[] all =
        [
            hash,
            Hash(new RgbImage(2, 3, pixels), new TileOptions(28, 4)),
            Hash(new RgbImage(3, 2, [1, .. pixels[1..]]), new TileOptions(28, 4)),
            Hash(new RgbImage(3, 2, pixels), new TileOptions(56, 4)),
            Hash(new RgbImage(3, 2, pixels), new TileOptions(28, 3)),
            Hash(new RgbImage(3, 2, pixels), new TileOptions(28, 4, true)),
        ];
        Assert.Equal(all.Length, all.Distinct().Count());
        static string Hash(RgbImage image, TileOptions options) => ImagePreprocessor.Process(image, options).ContentHash;
    }

    [Fact]
    public void AFlatPictureStaysFlatAtAnySize()
    {
        RgbImage image = new(97, 41, [.. Enumerable.Repeat((byte)255, 3 * 97 * 41)]);
        foreach ((int width, int height) in new[] { (1, 1), (200, 7), (13, 300), (97, 20), (50, 41) })
        {
            RgbImage resized = AntialiasedResize.Resize(image, width, height);
            Assert.Equal((width, height), (resized.Width, resized.Height));
            Assert.All(resized.Pixels, value => Assert.Equal(255, value));
        }
        Assert.Same(image, AntialiasedResize.Resize(image, 97, 41));
        Assert.Throws<ArgumentOutOfRangeException>(() => AntialiasedResize.Resize(image, 0, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => AntialiasedResize.Resize(image, 1, -1));
    }

    [Fact]
    public void LongestSidesResize()
    {
        PreprocessedImage wide = ImagePreprocessor.Process(new RgbImage(65_535, 1, new byte[3 * 65_535]));
        Assert.Equal((1, 16, 1, 5376), (wide.Rows, wide.Columns, wide.ResizedHeight, wide.ResizedWidth));
        PreprocessedImage tall = ImagePreprocessor.Process(new RgbImage(1, 65_535, new byte[3 * 65_535]));
        Assert.Equal((16, 1, 17), (tall.Rows, tall.Columns, tall.Tiles));
    }
}
