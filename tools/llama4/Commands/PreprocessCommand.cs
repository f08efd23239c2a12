using System.CommandLine;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Images;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>preprocess</c>: what the model gets to see of a picture.</summary>
internal static class PreprocessCommand
{
    /// <summary>Side in pixels of the patches of every Llama 4 vision tower.</summary>
    private const int Patch = 14;

    public static Command Create(CommandConsole console)
    {
        var image = new Argument<string?>("image") { Description = "The picture.", Arity = ArgumentArity.ZeroOrOne };
        var tile = new Option<int>("--tile") { Description = "Side of a tile in pixels.", DefaultValueFactory = _ => 336, CustomParser = Numbers.Read<int> };
        var maxTiles = new Option<int>("--max-tiles") { Description = "Most tiles without the global one.", DefaultValueFactory = _ => 16, CustomParser = Numbers.Read<int> };
        var largest = new Option<bool>("--resize-to-max-canvas") { Description = "Enlarge small pictures as far as a grid allows." };
        var decode = new Option<string>("--decode") { Description = "full: as a viewer shows it; meta: as Meta's code reads it.", DefaultValueFactory = _ => "full" };
        decode.AcceptOnlyFromAmong("full", "meta");
        var batch = new Option<string?>("--batch") { Description = "JSON lines with file and config." };
        var folder = new Option<string?>("--folder") { Description = "Folder of the files of --batch; without it the folder of the batch file." };
        var output = new Option<string?>("--out") { Description = "File for the rows of --batch; without it they are printed." };
        var command = new Command("preprocess", "Cuts a picture into tiles and prints grid, size, token count and hashes.") { image, tile, maxTiles, largest, decode, batch, folder, output };
        command.SetAction((parsed, cancellation) =>
        {
            var options = new TileOptions(parsed.GetValue(tile), parsed.GetValue(maxTiles), parsed.GetValue(largest));
            var defaults = new Settings(options, ModeOf(parsed.GetRequiredValue(decode)));
            if (parsed.GetValue(batch) is string rows)
            {
                string source = parsed.GetValue(folder) ?? Path.GetDirectoryName(Path.GetFullPath(rows))!;
                Convert(rows, source, parsed.GetValue(output), defaults, console, cancellation);
            }
            else
            {
                string path = parsed.GetValue(image) ?? throw new ArgumentException("Name a picture, or a file of rows with --batch.");
                JsonObject row = [];
                Describe(row, ImageDecoder.Decode(path, OptionsOf(defaults.Mode)), defaults.Options);
                foreach ((string name, JsonNode? value) in row)
                {
                    console.Out.WriteLine($"{name,-12} {(value is JsonArray ? value.ToJsonString() : value)}");
                }
            }
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Convert(string path, string folder, string? output, Settings defaults, CommandConsole console, CancellationToken cancellation)
    {
        (string Name, ImageDecodeMode Mode, RgbImage Image)? last = null;
        int rows = 0;
        List<string> faults = [];
        JsonLines.Convert(path, output, row =>
        {
            cancellation.ThrowIfCancellationRequested();
            rows++;
            string name = JsonLines.Field(row, "file").GetValue<string>();
            Settings settings = SettingsOf(row, defaults);
            JsonObject answer = new() { ["file"] = name };
            if (row["config"] is JsonNode config)
            {
                answer["config"] = config.DeepClone();
            }
            try
            {
                // Rows of one picture follow each other: it is decoded once.
                if (last is null || last.Value.Name != name || last.Value.Mode != settings.Mode)
                {
                    last = (name, settings.Mode, ImageDecoder.Decode(Path.Combine(folder, name), OptionsOf(settings.Mode)));
                }
                Describe(answer, last.Value.Image, settings.Options);
            }
            catch (Exception e) when (e is ImageFormatException or IOException)
            {
                answer["error"] = e.Message;
                faults.Add($"'{name}': {e.Message}");
            }
            return answer;
        }, console);
        if (faults.Count > 0)
        {
            console.Error.WriteLine($"llama4: {path}: {faults.Count} of {rows} rows have an error in place of a result; the first is {faults[0].ReplaceLineEndings(" ")}");
        }
    }

    private static void Describe(JsonObject row, RgbImage image, TileOptions options)
    {
        PreprocessedImage tiles = ImagePreprocessor.Process(image, options);
        if (options.Tile % (2 * Patch) != 0)
        {
            throw new ArgumentException($"A tile of {options.Tile} pixels does not give whole tokens; its side must be a multiple of {2 * Patch}.");
        }
        row["aspect_ratio"] = JsonLines.Array([tiles.Rows, tiles.Columns]);
        row["resized"] = JsonLines.Array([tiles.ResizedHeight, tiles.ResizedWidth]);
        row["tiles"] = tiles.Tiles;
        row["tokens"] = ImageTokens.Count(tiles.Rows, tiles.Columns, VisionConfig.CountTokens(options.Tile, Patch));
        row["sha256_rgb"] = Hash(image.Pixels);
        row["sha256_u8"] = Hash(tiles.U8Tiles);
        row["sha256_bf16"] = Hash(MemoryMarshal.AsBytes<ushort>(tiles.Bf16Tiles));
    }

    private static Settings SettingsOf(JsonObject row, Settings defaults)
    {
        if (row["config"] is not JsonNode node)
        {
            return defaults;
        }
        JsonObject config = node.AsObject();
        var options = new TileOptions(
            config["tile"]?.GetValue<int>() ?? defaults.Options.Tile,
            config["max_tiles"]?.GetValue<int>() ?? defaults.Options.MaxTiles,
            config["resize_to_max_canvas"]?.GetValue<bool>() ?? defaults.Options.ResizeToMaxCanvas);
        return new Settings(options, config["decode"] is JsonNode decode ? ModeOf(decode.GetValue<string>()) : defaults.Mode);
    }

    private static ImageDecodeMode ModeOf(string name) => name switch
    {
        "full" => ImageDecodeMode.Full,
        "meta" => ImageDecodeMode.Reference,
        _ => throw new FormatException($"decode is '{name}'; full and meta are known."),
    };

    private static ImageDecodeOptions OptionsOf(ImageDecodeMode mode) => new() { Mode = mode };

    private static string Hash(ReadOnlySpan<byte> bytes) => System.Convert.ToHexStringLower(SHA256.HashData(bytes));

    private sealed record Settings(TileOptions Options, ImageDecodeMode Mode);
}
