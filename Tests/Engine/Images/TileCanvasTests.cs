using System.Text.Json;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Images;

namespace Llama4Kernels.Tests.Engine.Images;

public class TileCanvasTests
{
    [Fact]
    public void EveryReferenceCanvasIsChosen()
    {
        List<JsonElement> rows = ImageGoldens.Rows("canvas.jsonl");
        Assert.Equal(1920, rows.Count);
        foreach (JsonElement row in rows)
        {
            int tile = row.Int("tile");
            TileGrid grid = TileCanvas.Choose(
                row.Int("width"),
                row.Int("height"),
                tile,
                row.Int("max_tiles"),
                row.GetProperty("resize_to_max_canvas").GetBoolean());
            int[] actual =
            [
                grid.Rows, grid.Columns, grid.ResizedHeight, grid.ResizedWidth, grid.Tiles,
                ImageTokens.Count(grid.Rows, grid.Columns, tile / 28 * (tile / 28)),
            ];
            int[] expected =
                [.. row.Ints("canvas"), .. row.Ints("resized"), row.Int("tiles"), row.Int("token_count")];
            Assert.True(expected.SequenceEqual(actual), $"{row}: {string.Join(' ', actual)}");
        }
    }

    [Theory]
    [InlineData(0, 1, 336, 16)]
    [InlineData(1, -1, 336, 16)]
    [InlineData(1, 1, 0, 16)]
    [InlineData(1, 1, 336, 0)]
    public void SizesMustBePositive(int width, int height, int tile, int maxTiles) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => TileCanvas.Choose(width, height, tile, maxTiles));

    [Fact]
    public void TokenCountsRefuseNonsense()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => ImageTokens.Count(0, 1, 144));
        Assert.Throws<ArgumentOutOfRangeException>(() => ImageTokens.Count(1, 0, 144));
        Assert.Throws<ArgumentOutOfRangeException>(() => ImageTokens.Count(1, 1, 0));
        Assert.Throws<OverflowException>(() => ImageTokens.Count(30000, 30000, 144));
    }

    [Fact]
    public void ExtremeSidesKeepAtLeastOnePixel()
    {
        TileGrid grid = TileCanvas.Choose(65_535, 1, 336, 1);
        Assert.Equal(new TileGrid(1, 1, 1, 336), grid);
    }
}
