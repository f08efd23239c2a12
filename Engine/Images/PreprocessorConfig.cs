using System.Text.Json;
using Llama4Kernels.Engine.Checkpoints;

namespace Llama4Kernels.Engine.Images;

/// <summary>Reads how a checkpoint wants pictures prepared.</summary>
internal static class PreprocessorConfig
{
    /// <summary>The file's name inside a model folder.</summary>
    public const string FileName = "preprocessor_config.json";

    /// <summary>The file's name where newer releases merge it with the processor's.</summary>
    public const string MergedFileName = "processor_config.json";

    private const int MaxTileSide = 4096;
    private const int MaxMaxTiles = 1024;
    private const long MaxFileBytes = 1 << 20;

    /// <summary>
    /// Reads tile size, tile count and resize policy from <c>image_processor</c> of processor_config.json, where newer files have
    /// it, or else from preprocessor_config.json; a missing file or field means the released models' value.
    /// </summary>
    /// <param name="folder">The model's folder.</param>
    /// <returns>The options.</returns>
    /// <exception cref="ModelFormatException">The file is malformed or asks for another kind of preprocessing.</exception>
    public static TileOptions Load(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        string merged = Path.Combine(folder, MergedFileName);
        if (File.Exists(merged))
        {
            using JsonDocument document = Parse(merged);
            if (Find(document.RootElement, "image_processor", out JsonElement nested))
            {
                return nested.ValueKind == JsonValueKind.Object
                    ? Read(nested, merged)
                    : throw new ModelFormatException(merged, "image_processor", "not an object.");
            }
        }
        string path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
        {
            return new TileOptions();
        }
        using JsonDocument own = Parse(path);
        return Read(own.RootElement, path);
    }

    private static TileOptions Read(JsonElement root, string path)
    {
        CheckNormalization(root, "image_mean", path);
        CheckNormalization(root, "image_std", path);
        CheckFixed(root, "resample", path, value => value.ValueKind == JsonValueKind.Number && value.GetDouble() == 2, "2 (bilinear)");
        CheckFixed(root, "rescale_factor", path, value => value.ValueKind == JsonValueKind.Number && Math.Abs(value.GetDouble() - (1 / 255.0)) < 1e-6, "1/255");
        foreach (string step in (string[])["do_resize", "do_rescale", "do_normalize"])
        {
            CheckFixed(root, step, path, value => value.ValueKind == JsonValueKind.True, "true");
        }
        TileOptions defaults = new();
        return new TileOptions(
            ReadTile(root, path, defaults.Tile),
            ReadInteger(root, "max_patches", path, MaxMaxTiles) ?? defaults.MaxTiles,
            ReadFlag(root, path) ?? defaults.ResizeToMaxCanvas);
    }

    private static JsonDocument Parse(string path)
    {
        if (new FileInfo(path).Length > MaxFileBytes)
        {
            throw new ModelFormatException(path, null, $"larger than {MaxFileBytes} bytes.");
        }
        return ModelFiles.ReadJson(path);
    }

    // Steps that the preprocessing has built in; another value read over would change every picture.
    private static void CheckFixed(JsonElement root, string name, string path, Predicate<JsonElement> isBuiltIn, string supported)
    {
        if (Find(root, name, out JsonElement value) && !isBuiltIn(value))
        {
            throw new ModelFormatException(path, name, $"only {supported} is supported.");
        }
    }

    private static int ReadTile(JsonElement root, string path, int missing)
    {
        if (!Find(root, "size", out JsonElement size))
        {
            return missing;
        }
        if (size.ValueKind != JsonValueKind.Object)
        {
            throw new ModelFormatException(path, "size", "not an object with height and width.");
        }
        int? height = ReadInteger(size, "height", path, MaxTileSide, "size.");
        int? width = ReadInteger(size, "width", path, MaxTileSide, "size.");
        if (height is null || height != width)
        {
            throw new ModelFormatException(path, "size", "height and width must be given and equal: tiles are square.");
        }
        return height.Value;
    }

    private static int? ReadInteger(JsonElement parent, string name, string path, int max, string owner = "")
    {
        if (!Find(parent, name, out JsonElement value))
        {
            return null;
        }
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= 1 && number <= max
            ? number
            : throw new ModelFormatException(path, owner + name, $"not a whole number from 1 to {max}.");
    }

    private static bool? ReadFlag(JsonElement root, string path)
    {
        const string Name = "resize_to_max_canvas";
        if (!Find(root, Name, out JsonElement value))
        {
            return null;
        }
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean()
            : throw new ModelFormatException(path, Name, "neither true nor false.");
    }

    // The normalization table is built for 0.5; silently using it for another mean would shift every picture.
    private static void CheckNormalization(JsonElement root, string name, string path)
    {
        if (!Find(root, name, out JsonElement values))
        {
            return;
        }
        bool halves = values.ValueKind == JsonValueKind.Array
            && values.GetArrayLength() == 3
            && values.EnumerateArray().All(value => value.ValueKind == JsonValueKind.Number && value.GetDouble() == 0.5);
        if (!halves)
        {
            throw new ModelFormatException(path, name, "only [0.5, 0.5, 0.5] is supported.");
        }
    }

    private static bool Find(JsonElement parent, string name, out JsonElement value) =>
        parent.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;
}
