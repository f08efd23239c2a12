using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using Llama4Kernels.Engine.Images;

namespace Llama4Kernels.Tests.Engine.Images;

/// <summary>Rows of the image reference data, and decoded pictures kept between rows.</summary>
internal static class ImageGoldens
{
    private static readonly ConcurrentDictionary<(string File, ImageDecodeMode Mode), RgbImage> s_decoded = new();

    public static List<JsonElement> Rows(string file) =>
        [.. File.ReadLines(GoldenFiles.Path("images", file)).Select(line => JsonDocument.Parse(line).RootElement)];

    public static string Text(this JsonElement row, string name) => row.GetProperty(name).GetString()!;

    public static int Int(this JsonElement row, string name) => row.GetProperty(name).GetInt32();

    public static int[] Ints(this JsonElement row, string name) =>
        [.. row.GetProperty(name).EnumerateArray().Select(value => value.GetInt32())];

    public static RgbImage Decode(string file, ImageDecodeMode mode) => s_decoded.GetOrAdd(
        (file, mode),
        key => ImageDecoder.Decode(GoldenFiles.Path("images", key.File), new ImageDecodeOptions { Mode = key.Mode }));

    public static ImageDecodeMode Mode(JsonElement row) =>
        row.GetProperty("config").Text("decode") == "full" ? ImageDecodeMode.Full : ImageDecodeMode.Reference;

    public static TileOptions Options(JsonElement row)
    {
        JsonElement config = row.GetProperty("config");
        return new TileOptions(
            config.Int("tile"), config.Int("max_tiles"), config.GetProperty("resize_to_max_canvas").GetBoolean());
    }

    public static string Hash(ReadOnlySpan<byte> data) => Convert.ToHexStringLower(SHA256.HashData(data));
}
