using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Images;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Checkpoints.Conversion;

/// <summary>Writes what a published folder has beside the weights: configurations and tokenizer.</summary>
internal static class CompanionFiles
{
    private const string ConfigName = "config.json", GenerationName = "generation_config.json";

    private static readonly string[] s_copied =
        [GenerationName, PreprocessorConfig.FileName, "processor_config.json", Llama4Tokenizer.JsonName, Llama4Tokenizer.TiktokenName, "tokenizer_config.json", "special_tokens_map.json", "chat_template.json", "chat_template.jinja"];

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    /// <summary>Writes them into a folder, over those that are there.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="edit">Changes the configuration.</param>
    public static void Write(Checkpoint source, string folder, Action<JsonObject>? edit = null)
    {
        foreach (string name in source.ConfigJson is null ? s_copied : [Llama4Tokenizer.JsonName, Llama4Tokenizer.TiktokenName])
        {
            string from = Path.Combine(source.Folder, name);
            if (File.Exists(from))
            {
                File.Copy(from, Path.Combine(folder, name), overwrite: true);
            }
        }
        JsonObject config = JsonNode.Parse(source.ConfigJson ?? File.ReadAllText(Path.Combine(source.Folder, ConfigName)))!.AsObject();
        config.Remove("quantization_config");
        (config["text_config"] as JsonObject)?.Remove("quantization_config");
        config.Remove("dtype");
        config["torch_dtype"] = "bfloat16";
        if (source.Config.Vision is null)
        {
            config.Remove("vision_config");
        }
        edit?.Invoke(config);
        WriteJson(Path.Combine(folder, ConfigName), config);
        if (source.ConfigJson is not null)
        {
            WriteTranslated(source, folder);
        }
        if (source.EmbeddedTokenizer is { } tokenizer)
        {
            File.WriteAllBytes(Path.Combine(folder, Llama4Tokenizer.JsonName), tokenizer.Span);
        }
    }

    /// <summary>Writes a JSON file.</summary>
    public static void WriteJson(string path, JsonObject json) => File.WriteAllText(path, json.ToJsonString(s_indented));

    private static void WriteTranslated(Checkpoint source, string folder)
    {
        var text = source.Config.Text;
        WriteJson(Path.Combine(folder, GenerationName), new JsonObject
        {
            ["bos_token_id"] = text.BosToken,
            ["eos_token_id"] = new JsonArray([.. text.EosTokens.Select(id => (JsonNode?)id)]),
            ["pad_token_id"] = text.PadToken,
            ["do_sample"] = true,
            ["temperature"] = 0.6,
            ["top_p"] = 0.9,
        });
        if (source.Config.Vision is null)
        {
            return;
        }
        TileOptions tiles = source.LoadTileOptions();
        WriteJson(Path.Combine(folder, PreprocessorConfig.FileName), new JsonObject
        {
            ["image_processor_type"] = "Llama4ImageProcessorFast",
            ["processor_class"] = "Llama4Processor",
            ["size"] = new JsonObject { ["height"] = tiles.Tile, ["width"] = tiles.Tile },
            ["max_patches"] = tiles.MaxTiles,
            ["resize_to_max_canvas"] = tiles.ResizeToMaxCanvas,
            ["image_mean"] = new JsonArray(0.5, 0.5, 0.5),
            ["image_std"] = new JsonArray(0.5, 0.5, 0.5),
            ["do_convert_rgb"] = true,
            ["do_normalize"] = true,
            ["do_rescale"] = true,
            ["do_resize"] = true,
            ["resample"] = 2,
            ["rescale_factor"] = 1 / 255.0,
        });
    }
}
