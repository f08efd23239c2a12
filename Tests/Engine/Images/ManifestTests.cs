using System.Runtime.InteropServices;
using System.Text.Json;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Images;

namespace Llama4Kernels.Tests.Engine.Images;

public class ManifestTests
{
    public static TheoryData<string> Files() =>
        [.. ImageGoldens.Rows("manifest.jsonl").Select(row => row.Text("file")).Distinct()];

    [Fact]
    public void TheManifestHasEveryRow()
    {
        List<JsonElement> rows = ImageGoldens.Rows("manifest.jsonl");
        Assert.Equal(548, rows.Count);
        Assert.Equal(448, MetaRows(rows).Count());
    }

    // PNG from the file's bytes; JPEG from the reference's decoded pixels, so that the resize alone is compared.
    [Theory]
    [MemberData(nameof(Files))]
    public void TilesEqualTheReferenceBitForBit(string file)
    {
        int seen = 0;
        foreach (JsonElement row in MetaRows(ImageGoldens.Rows("manifest.jsonl").Where(row => row.Text("file") == file)))
        {
            seen++;
            string context = $"{file} {row.GetProperty("config")}";
            RgbImage image = Exact(row);
            Assert.True(ImageGoldens.Hash(image.Pixels) == row.Text("sha256_rgb"), $"{context}: decoded pixels differ");
            TileOptions options = ImageGoldens.Options(row);
            PreprocessedImage result = ImagePreprocessor.Process(image, options);
            Assert.Equal(row.Ints("aspect_ratio"), new[] { result.Rows, result.Columns });
            Assert.Equal(row.Ints("resized"), new[] { result.ResizedHeight, result.ResizedWidth });
            Assert.Equal(row.Int("tiles"), result.Tiles);
            int patches = options.Tile / 14 / 2;
            Assert.Equal(row.Int("tokens"), ImageTokens.Count(result.Rows, result.Columns, patches * patches));
            foreach (int[] sample in Samples(row))
            {
                Assert.Equal(sample[4], result.U8Tiles[Index(sample, options.Tile)]);
            }
            Assert.True(ImageGoldens.Hash(result.U8Tiles) == row.Text("sha256_u8"), $"{context}: u8 tiles differ");
            ReadOnlySpan<byte> bf16 = MemoryMarshal.AsBytes(result.Bf16Tiles.AsSpan());
            Assert.True(ImageGoldens.Hash(bf16) == row.Text("sha256_bf16"), $"{context}: bf16 tiles differ");
        }
        Assert.InRange(seen, 6, 11);
    }

    [Fact]
    public void JpegsStayWithinTheToleranceFromEndToEnd()
    {
        int seen = 0;
        foreach (JsonElement row in MetaRows(ImageGoldens.Rows("manifest.jsonl")))
        {
            if (!row.TryGetProperty("decoded_file", out _))
            {
                continue;
            }
            seen++;
            RgbImage own = ImageGoldens.Decode(row.Text("file"), ImageGoldens.Mode(row));
            RgbImage exact = Exact(row);
            Assert.Equal((exact.Width, exact.Height), (own.Width, own.Height));
            TileOptions options = ImageGoldens.Options(row);
            byte[] expected = ImagePreprocessor.Process(exact, options).U8Tiles;
            byte[] actual = ImagePreprocessor.Process(own, options).U8Tiles;
            long sum = 0;
            int largest = 0;
            for (int i = 0; i < expected.Length; i++)
            {
                int difference = Math.Abs(expected[i] - actual[i]);
                sum += difference;
                largest = Math.Max(largest, difference);
            }
            string context = $"{row.Text("file")} {row.GetProperty("config")}: {largest}, {(double)sum / expected.Length:F4}";
            JsonElement tolerance = row.GetProperty("tolerance");
            Assert.True(largest <= tolerance.Int("max_abs"), context);
            Assert.True((double)sum / expected.Length <= tolerance.GetProperty("mean_abs").GetDouble(), context);
        }
        Assert.True(seen > 90, $"{seen} rows");
    }

    private static IEnumerable<JsonElement> MetaRows(IEnumerable<JsonElement> rows) =>
        rows.Where(row => row.GetProperty("config").Text("reference") == "meta");

    private static IEnumerable<int[]> Samples(JsonElement row) =>
        row.GetProperty("samples").EnumerateArray()
            .Select(sample => sample.EnumerateArray().Select(value => value.GetInt32()).ToArray());

    private static int Index(int[] sample, int tile) =>
        (((((sample[0] * 3) + sample[1]) * tile) + sample[2]) * tile) + sample[3];

    private static RgbImage Exact(JsonElement row)
    {
        if (!row.TryGetProperty("decoded_file", out JsonElement decoded))
        {
            return ImageGoldens.Decode(row.Text("file"), ImageGoldens.Mode(row));
        }
        RgbImage stored = ImageGoldens.Decode(decoded.GetString()!, ImageDecodeMode.Reference);
        // The reference's decoded pixels are as stored; the only rotated row is EXIF orientation 6.
        return ImageGoldens.Mode(row) == ImageDecodeMode.Full ? ExifOrientation.Apply(stored, 6) : stored;
    }
}
