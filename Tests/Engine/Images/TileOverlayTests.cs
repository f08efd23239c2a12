using Llama4Kernels.Engine.Images;

namespace Llama4Kernels.Tests.Engine.Images;

public sealed class TileOverlayTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tile-overlay").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void TheWrittenPictureShowsCanvasPaddingAndGrid()
    {
        // 40x20 on tiles of 28: two columns, one row, padding below and right.
        RgbImage image = new(40, 20, [.. Enumerable.Repeat((byte)200, 3 * 40 * 20)]);
        TileOptions options = new(28, 4);
        string path = Path.Combine(_folder, "out.png");
        TileOverlay.Write(path, image, options);
        RgbImage read = ImageDecoder.Decode(path);
        Assert.Equal((56, 28), (read.Width, read.Height));
        Assert.Equal(TileOverlay.Draw(image, options).Pixels, read.Pixels);
        Assert.Equal([200, 200, 200], Pixel(10, 10));
        Assert.Equal([0, 0, 0], Pixel(50, 10));
        foreach ((int x, int y) in new[] { (0, 10), (1, 10), (26, 10), (27, 10), (28, 10), (29, 10), (55, 10), (10, 0), (10, 27) })
        {
            Assert.Equal([255, 0, 255], Pixel(x, y));
        }
        byte[] Pixel(int x, int y) => read.Pixels.AsSpan(3 * ((y * read.Width) + x), 3).ToArray();
    }

    [Fact]
    public void AFolderThatDoesNotExistIsAnError() =>
        Assert.Throws<DirectoryNotFoundException>(
            () => TileOverlay.Write(Path.Combine(_folder, "none", "out.png"), new RgbImage(1, 1, new byte[3])));
}
