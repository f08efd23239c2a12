using Llama4Kernels.Engine.Images;

namespace Llama4Kernels.Tests.Engine.Images;

public class ExifOrientationTests
{
    // A picture of 3x2 pixels named by letters:  a b c / d e f
    [Theory]
    [InlineData(1, 3, "abcdef")]
    [InlineData(2, 3, "cbafed")]
    [InlineData(3, 3, "fedcba")]
    [InlineData(4, 3, "defabc")]
    [InlineData(5, 2, "adbecf")]
    [InlineData(6, 2, "daebfc")]
    [InlineData(7, 2, "fcebda")]
    [InlineData(8, 2, "cfbead")]
    public void EveryOrientationTurnsThePicture(int orientation, int width, string expected)
    {
        RgbImage stored = new(3, 2, [.. "abcdef".SelectMany(letter => new[] { (byte)letter, (byte)1, (byte)2 })]);
        RgbImage upright = ExifOrientation.Apply(stored, orientation);
        Assert.Equal(width, upright.Width);
        Assert.Equal(6 / width, upright.Height);
        Assert.Equal(expected, string.Concat(upright.Pixels.Chunk(3).Select(pixel => (char)pixel[0])));
        Assert.All(upright.Pixels.Chunk(3), pixel => Assert.Equal([1, 2], pixel[1..]));
    }

    [Fact]
    public void BothByteOrdersAreRead()
    {
        byte[] little = [.. "II*\0"u8, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0];
        byte[] big = [.. "MM\0*"u8, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 8, 0, 0];
        Assert.Equal(6, ExifOrientation.Parse(little));
        Assert.Equal(8, ExifOrientation.Parse(big));
    }

    [Fact]
    public void MalformedBlocksMeanAsStored()
    {
        byte[] good = [.. "II*\0"u8, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0];
        for (int length = 0; length < good.Length; length++)
        {
            Assert.Equal(1, ExifOrientation.Parse(good.AsSpan(0, length)));
        }
        Assert.Equal(1, ExifOrientation.Parse([.. good[..18], 9, 0, 0, 0]));
        Assert.Equal(1, ExifOrientation.Parse([.. good[..4], 255, 255, 255, 255, .. good[8..]]));
    }

    [Fact]
    public void OtherOrientationsDoNotExist() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => ExifOrientation.Apply(new RgbImage(1, 1, new byte[3]), 9));
}
