using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Checkpoints.Meta;

/// <summary>
/// Translates Meta's params.json to the published config.json, so that one reader checks both. Widths are derived as Meta's
/// code derives them; what the file is silent about has Meta's defaults.
/// </summary>
internal static class MetaConfig
{
    private const int MaxWidth = 1 << 20;
    private const int OriginalContext = 8192;
    private const int ScaledContext = 10_485_760, PlainContext = 1_048_576;
    private const int ReleasedVocabulary = Llama4SpecialTokens.ReleasedRanks + 2048;

    /// <summary>The configuration.</summary>
    /// <param name="folder">The folder with params.json.</param>
    /// <param name="source">The tensors.</param>
    /// <param name="ranks">Files of the model-parallel set.</param>
    /// <exception cref="ModelFormatException">A field is missing, holds a value that the engine cannot run, or does not divide by the ranks.</exception>
    public static JsonObject Translate(string folder, ITensorSource source, int ranks)
    {
        string path = Path.Combine(folder, MetaModel.ParamsName);
        using JsonDocument document = ModelFiles.ReadJson(path);
        var fields = new JsonFields(path, "", document.RootElement);
        if (fields.TryGet("quantization_args", out _))
        {
            throw fields.Fault("quantization_args", $"says that this is a quantised variant (FP8 or int4), which is not supported. {MetaModel.QuantisedAdvice}");
        }
        int dim = fields.Int("dim", 1, MaxWidth), layers = fields.Int("n_layers", 1, 4096), heads = fields.Int("n_heads", 1, MaxWidth);
        int keys = fields.Int("n_kv_heads", 1, MaxWidth, heads);
        int multiple = fields.Int("multiple_of", 1, MaxWidth, 256);
        double multiplier = fields.Number("ffn_dim_multiplier", 0, 1e6, 1);
        int dense = Width(2 * 4 * (long)dim / 3, multiplier, 1, multiple);
        JsonFields? moe = fields.Object("moe_args");
        int width = dense, experts = 0;
        if (moe is { } routed)
        {
            double share = routed.Bool("auto_scale_F", true) ? routed.Number("capacity_factor", 0, 1e6, 1) + 1 : 1;
            width = Width(2 * (long)(fields.Number("ffn_exp", 0, 1e6, 4) * dim) / 3, multiplier, share, multiple);
            experts = routed.Int("num_experts", 1, 65536);
        }
        int vocabulary = Vocabulary(fields, source, ranks);
        CheckShares(fields, ranks, [("n_heads", heads), ("n_kv_heads", keys), ("ffn_dim_multiplier", dense), ("moe_args", width), ("vocab_size", vocabulary)]);
        bool scaled = fields.Bool("use_scaled_rope", false);
        int specials = FirstSpecial(folder, vocabulary);
        int Id(string name) => specials + Llama4SpecialTokens.Names.ToList().IndexOf(name);
        var text = new JsonObject
        {
            ["model_type"] = "llama4_text",
            ["num_hidden_layers"] = layers,
            ["hidden_size"] = dim,
            ["num_attention_heads"] = heads,
            ["num_key_value_heads"] = keys,
            ["head_dim"] = fields.OptionalInt("head_dim", 2, 4096) ?? dim / heads,
            ["intermediate_size"] = width,
            ["intermediate_size_mlp"] = dense,
            ["vocab_size"] = vocabulary,
            ["num_local_experts"] = experts,
            ["num_experts_per_tok"] = moe?.Int("top_k", 1, 65536, 1) ?? 0,
            ["moe_layers"] = moe is null ? new JsonArray() : null,
            ["interleave_moe_layer_step"] = moe?.Int("interleave_moe_layer_step", 1, int.MaxValue, 1) ?? 1,
            ["no_rope_layer_interval"] = fields.OptionalInt("nope_layer_interval", 1, int.MaxValue) ?? int.MaxValue,
            ["attention_chunk_size"] = fields.OptionalInt("attention_chunk_size", 1, int.MaxValue),
            ["rms_norm_eps"] = fields.Number("norm_eps", 0, 1, 1e-5),
            ["rope_theta"] = fields.Number("rope_theta", 0, 1e12, 500000),
            ["rope_scaling"] = scaled ? Scaling(fields) : null,
            ["use_qk_norm"] = fields.Bool("use_qk_norm", false),
            ["attn_temperature_tuning"] = fields.Flag("attn_temperature_tuning", false),
            ["floor_scale"] = fields.Number("floor_scale", 0, 1e12, 8192),
            ["attn_scale"] = fields.Number("attn_scale", -1e6, 1e6, 0.1),
            ["attention_bias"] = false,
            ["max_position_embeddings"] = scaled ? ScaledContext : PlainContext,
            ["bos_token_id"] = Id(Llama4SpecialTokens.BeginOfText),
            ["eos_token_id"] = new JsonArray(Id(Llama4SpecialTokens.EndOfText), Id(Llama4SpecialTokens.EndOfMessage), Id(Llama4SpecialTokens.EndOfTurn)),
            ["pad_token_id"] = Id("<|finetune_right_pad|>"),
        };
        var config = new JsonObject { ["model_type"] = "llama4", ["architectures"] = new JsonArray("Llama4ForConditionalGeneration"), ["text_config"] = text };
        if (fields.Object("vision_args") is { } vision)
        {
            config["vision_config"] = Vision(vision, ranks);
            CheckShares(fields, ranks, [("dim", dim)]);
            config["boi_token_index"] = Id(Llama4SpecialTokens.ImageStart);
            config["eoi_token_index"] = Id(Llama4SpecialTokens.ImageEnd);
            config["image_token_index"] = Id(Llama4SpecialTokens.Patch);
        }
        return config;
    }

    // All steps truncate, but the last, which rounds up to a multiple.
    private static int Width(long hidden, double multiplier, double share, int multiple)
    {
        hidden = (long)(multiplier * hidden);
        hidden = share == 1 ? hidden : (long)(hidden / share);
        return checked((int)Math.Clamp((hidden + multiple - 1) / multiple * multiple, 1, int.MaxValue));
    }

    private static int Vocabulary(JsonFields fields, ITensorSource source, int ranks)
    {
        int vocabulary = fields.Int("vocab_size", -1, 1 << 24, -1);
        int? share = source.TryGet(MetaNaming.OfRank(MetaNaming.Embedding, 0, ranks), out StoredTensor? table) && table.Shape.Count == 2 && table.Shape[0] is > 0 and <= 1 << 24
            ? (int)table.Shape[0]
            : null;
        if (vocabulary <= 0)
        {
            return checked(share * ranks) ?? throw fields.Fault("vocab_size", $"is {vocabulary}, and there is no '{MetaNaming.Embedding}' to count.");
        }
        if (share is int rows && vocabulary % rows == 0 && vocabulary / rows is var needed && needed != ranks)
        {
            throw fields.Fault("vocab_size", $"is {vocabulary}, and '{MetaModel.FileName(0)}' has {rows} rows of it: it is one of {needed} files, and there {(ranks == 1 ? "is 1" : $"are {ranks}")}. The files of all ranks are needed, and no others.");
        }
        return vocabulary;
    }

    private static void CheckShares(JsonFields fields, int ranks, (string Field, int Extent)[] split)
    {
        foreach ((string field, int extent) in split)
        {
            if (extent % ranks != 0)
            {
                throw fields.Fault(field, $"gives {extent}, which {ranks} files (consolidated.*.pth) do not share evenly. Is one of them missing or of another model?");
            }
        }
    }

    private static JsonObject Scaling(JsonFields fields) => new()
    {
        ["rope_type"] = "llama3",
        ["factor"] = fields.Number("rope_scaling_factor", 0, 1e6, 16),
        ["low_freq_factor"] = 1,
        ["high_freq_factor"] = fields.Number("rope_high_freq_factor", 0, 1e6, 1),
        ["original_max_position_embeddings"] = OriginalContext,
    };

    // Special tokens follow the ranks of the tokenizer; without one, their number is that of the two kinds of vocabulary.
    private static int FirstSpecial(string folder, int vocabulary)
    {
        string path = Path.Combine(folder, Llama4Tokenizer.TiktokenName);
        return File.Exists(path) ? Llama4Tokenizer.FromTiktokenModel(path).BaseVocabularySize
            : vocabulary >= ReleasedVocabulary ? Llama4SpecialTokens.ReleasedRanks
            : Math.Max(0, vocabulary - Llama4SpecialTokens.SmallVocabularyCount);
    }

    private static JsonObject Vision(JsonFields vision, int ranks)
    {
        int width = vision.Int("dim", 1, MaxWidth), heads = vision.Int("n_heads", 1, MaxWidth), output = vision.Int("output_dim", 1, MaxWidth);
        int inner = checked((int)Math.Min(int.MaxValue, vision.Number("mlp_ratio", 0, 64, 4) * width));
        CheckShares(vision, ranks, [("n_heads", heads), ("dim", width), ("mlp_ratio", inner), ("output_dim", output)]);
        return new JsonObject
        {
            ["model_type"] = "llama4_vision_model",
            ["hidden_size"] = width,
            ["num_hidden_layers"] = vision.Int("n_layers", 1, 4096),
            ["num_attention_heads"] = heads,
            ["intermediate_size"] = inner,
            ["image_size"] = Square(vision, "image_size"),
            ["patch_size"] = Square(vision, "patch_size"),
            ["num_channels"] = 3,
            ["norm_eps"] = 1e-5,
            ["pixel_shuffle_ratio"] = vision.Number("pixel_shuffle_ratio", 0, 1, 0.5),
            ["projector_input_dim"] = output,
            ["projector_output_dim"] = output,
            ["vision_output_dim"] = output,
            ["hidden_act"] = "gelu",
        };
    }

    private static int Square(JsonFields fields, string name)
    {
        JsonFields size = fields.Object(name) ?? throw fields.Fault(name, "is missing.");
        int height = size.Int("height", 1, 8192), width = size.Int("width", 1, 8192);
        return height == width ? height : throw fields.Fault(name, $"is {height} by {width}; only squares are supported.");
    }
}
