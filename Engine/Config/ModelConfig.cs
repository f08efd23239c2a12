using System.Text;
using System.Text.Json;
using Llama4Kernels.Engine.Checkpoints;

namespace Llama4Kernels.Engine.Config;

/// <summary>A model's configuration as its config.json gives it, checked and completed.</summary>
internal sealed record ModelConfig
{
    private const string ConfigName = "config.json";
    private const string GenerationName = "generation_config.json";
    private const string QuantizationName = "hf_quant_config.json";

    private ModelConfig()
    {
    }

    /// <summary>The text model.</summary>
    public required TextConfig Text { get; init; }

    /// <summary>The vision tower, or null for a text-only model.</summary>
    public required VisionConfig? Vision { get; init; }

    /// <summary>Token that opens an image; −1 without vision.</summary>
    public required int BoiToken { get; init; }

    /// <summary>Token that closes an image; −1 without vision.</summary>
    public required int EoiToken { get; init; }

    /// <summary>The patch token, whose embedding is replaced by image features; −1 without vision.</summary>
    public required int ImageToken { get; init; }

    /// <summary>The output head is the embedding matrix.</summary>
    public required bool TieWordEmbeddings { get; init; }

    /// <summary>The text model's part is an object of its own, as in the releases; text-only derivatives are flat.</summary>
    public required bool Nested { get; init; }

    /// <summary>How quantised weights were made, if the files say so.</summary>
    public required QuantizationConfig? Quantization { get; init; }

    /// <summary>Things that are suspicious but not wrong, in sentences for a person.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    /// <summary>The same model without its vision tower: text only.</summary>
    public ModelConfig WithoutVision() => this with { Vision = null, BoiToken = -1, EoiToken = -1, ImageToken = -1 };

    /// <summary>Reads config.json and, if there is one, generation_config.json of a model's folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="ModelFormatException">A file is missing, is not JSON, or holds a value the engine cannot run.</exception>
    public static ModelConfig Load(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        string file = Path.Combine(folder, ConfigName);
        using JsonDocument config = ModelFiles.ReadJson(file);
        string generationFile = Path.Combine(folder, GenerationName), quantizationFile = Path.Combine(folder, QuantizationName);
        using JsonDocument? generation = Path.Exists(generationFile) ? ModelFiles.ReadJson(generationFile) : null;
        using JsonDocument? quantization = Path.Exists(quantizationFile) ? ModelFiles.ReadJson(quantizationFile) : null;
        return Read(
            new JsonFields(file, "", config.RootElement),
            generation is null ? null : new JsonFields(generationFile, "", generation.RootElement),
            quantization is null ? null : new JsonFields(quantizationFile, "", quantization.RootElement));
    }

    /// <summary>Reads the text of a config.json.</summary>
    /// <param name="json">The text.</param>
    /// <param name="fileName">Name for error messages.</param>
    /// <exception cref="ModelFormatException">It is not JSON or holds a value the engine cannot run.</exception>
    public static ModelConfig Parse(string json, string fileName)
    {
        ArgumentNullException.ThrowIfNull(json);
        using JsonDocument config = ModelFiles.ParseJson(Encoding.UTF8.GetBytes(json), fileName);
        return Read(new JsonFields(fileName, "", config.RootElement), null);
    }

    private static ModelConfig Read(JsonFields root, JsonFields? generation, JsonFields? modelOpt = null)
    {
        JsonFields? nested = root.Object("text_config");
        string expected = nested is null ? "llama4_text" : "llama4";
        string? type = root.Text("model_type");
        if (type != expected)
        {
            throw root.Fault("model_type", $"is '{type ?? "(absent)"}', but a config {(nested is null ? "without" : "with")} text_config must say '{expected}'.");
        }
        Architectures.Check(root);
        JsonFields text = nested ?? root;
        List<string> warnings = [];
        TextConfig textConfig = TextConfigReader.Read(text, generation, warnings);
        VisionConfig? vision = nested is not null && root.Object("vision_config") is { } fields ? VisionConfigReader.Read(fields) : null;
        int last = textConfig.VocabSize - 1;
        return new ModelConfig
        {
            Text = textConfig,
            Vision = vision,
            BoiToken = vision is null ? -1 : root.Int("boi_token_index", 0, last, 200080),
            EoiToken = vision is null ? -1 : root.Int("eoi_token_index", 0, last, 200081),
            ImageToken = vision is null ? -1 : root.Int("image_token_index", 0, last, 200092),
            TieWordEmbeddings = root.Bool("tie_word_embeddings", false) || text.Bool("tie_word_embeddings", false),
            Nested = nested is not null,
            Quantization = ReadQuantization(root, text, modelOpt),
            Warnings = warnings,
        };
    }

    // MLX repeats its own object as quantization_config; ModelOpt's older exports have a file of their own and nothing else.
    private static QuantizationConfig? ReadQuantization(JsonFields root, JsonFields text, JsonFields? modelOpt) =>
        root.Object("quantization") is { } mlx && mlx.Contains("bits") ? QuantizationConfig.ReadMlx(mlx)
        : (root.Object("quantization_config") ?? text.Object("quantization_config")) is { } given ? QuantizationConfig.Read(given)
        : modelOpt?.Object("quantization") is { } older ? QuantizationConfig.ReadModelOpt(older, "exclude_modules")
        : null;
}
