using System.Text.Json;

namespace Llama4Kernels.Engine.Images;

/// <summary>Reads a checkpoint's preprocessor_config.json.</summary>
public static class PreprocessorConfig
{
    /// <summary>The file's name inside a model folder.</summary>
    public const string FileName = "preprocessor_config.json";

    private const int MaxTileSide = 4096;
    private const int MaxMaxTiles = 1024;
    private const long MaxFileBytes = 1 << 20;

    /// <summary>Reads tile size, tile count and resize policy; a missing file or field means the released models' value.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <returns>The options.</returns>
    /// <exception cref="ModelFormatException">The file is malformed or asks for another kind of preprocessing.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static TileOptions Load(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        string path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
        {
            return new TileOptions();
        }
        if (new FileInfo(path).Length > MaxFileBytes)
        {
            throw new ModelFormatException(path, null, $"larger than {MaxFileBytes} bytes.");
        }
        using JsonDocument document = Parse(path);
        JsonElement root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new ModelFormatException(path, null, "not a JSON object.");
        }
        CheckNormalization(root, "image_mean", path);
        CheckNormalization(root, "image_std", path);
        TileOptions defaults = new();
        return new TileOptions(
            ReadTile(root, path, defaults.Tile),
            ReadInteger(root, "max_patches", path, MaxMaxTiles) ?? defaults.MaxTiles,
            ReadFlag(root, path) ?? defaults.ResizeToMaxCanvas);
    }

    private static JsonDocument Parse(string path)
    {
        try
        {
            return JsonDocument.Parse(File.ReadAllBytes(path));
        }
        catch (JsonException inner)
        {
            throw new ModelFormatException(path, null, "not valid JSON.", inner);
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
        int? height = ReadInteger(size, "height", path, MaxTileSide);
        int? width = ReadInteger(size, "width", path, MaxTileSide);
        if (height is null || height != width)
        {
            throw new ModelFormatException(path, "size", "height and width must be given and equal: tiles are square.");
        }
        return height.Value;
    }

    private static int? ReadInteger(JsonElement parent, string name, string path, int max)
    {
        if (!Find(parent, name, out JsonElement value))
        {
            return null;
        }
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= 1 && number <= max
            ? number
            : throw new ModelFormatException(path, name, $"not a whole number from 1 to {max}.");
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
