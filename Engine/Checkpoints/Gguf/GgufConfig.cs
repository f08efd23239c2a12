using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Checkpoints.Gguf;

/// <summary>
/// Translates the metadata of a GGUF model to the published config.json, so that one reader checks both. What the format does
/// not store is what its reference reader has hard-wired.
/// </summary>
internal static class GgufConfig
{
    /// <summary>The key of what a file holds.</summary>
    public const string Architecture = "general.architecture";

    private const string ProjectorKeys = "clip.";
    private const string ContentKey = "general.type";
    private const int MaxWidth = 1 << 20;
    private const int MaxVocabulary = 1 << 24;

    // The model with so many experts was trained without QK norm; no key says so.
    private const int ExpertsWithoutQkNorm = 128;

    /// <summary>The configuration, and the rotary divisors if no scaling rule of the published configuration gives them.</summary>
    /// <exception cref="ModelFormatException">A key is missing or holds a value that the engine cannot run.</exception>
    public static (JsonObject Config, float[]? RopeDivisors) Translate(GgufModel model)
    {
        GgufMetadata metadata = model.Metadata;
        string? architecture = metadata.Text(Architecture);
        if (architecture != "llama4")
        {
            throw metadata.Fault(Architecture, architecture == "clip"
                ? "is 'clip': this is a vision projector. Give the model's file, and this one with --mmproj."
                : $"is '{architecture ?? "(absent)"}'; this engine runs 'llama4'.");
        }
        if (metadata.Text(ContentKey) is string content && content != "model")
        {
            throw metadata.Fault(ContentKey, $"is '{content}'; a model is needed{(content == "adapter" ? ", with the adapter merged into it" : "")}.");
        }
        JsonObject text = Text(model, out float[]? divisors);
        var config = new JsonObject { ["model_type"] = "llama4", ["architectures"] = new JsonArray("Llama4ForConditionalGeneration"), ["text_config"] = text };
        if (!model.Source.TryGet("output.weight", out _))
        {
            config["tie_word_embeddings"] = true;
        }
        if (model.Vision is { } vision)
        {
            string[] tokens = GgufTokenizer.Tokens(metadata);
            config["vision_config"] = Vision(model.Source, vision);
            config["boi_token_index"] = TokenId(metadata, tokens, Llama4SpecialTokens.ImageStart);
            config["eoi_token_index"] = TokenId(metadata, tokens, Llama4SpecialTokens.ImageEnd);
            config["image_token_index"] = TokenId(metadata, tokens, Llama4SpecialTokens.Patch);
        }
        return (config, divisors);
    }

    /// <summary>The key that a field of the configuration was translated from, or the field.</summary>
    public static string? KeyOf(string? field) => field switch
    {
        "text_config.num_hidden_layers" => "llama4.block_count",
        "text_config.hidden_size" => "llama4.embedding_length",
        "text_config.num_attention_heads" => "llama4.attention.head_count",
        "text_config.num_key_value_heads" => "llama4.attention.head_count_kv",
        "text_config.head_dim" => "llama4.attention.key_length",
        "text_config.intermediate_size" => "llama4.expert_feed_forward_length",
        "text_config.intermediate_size_mlp" => "llama4.feed_forward_length",
        "text_config.num_local_experts" => "llama4.expert_count",
        "text_config.num_experts_per_tok" => "llama4.expert_used_count",
        "text_config.attention_chunk_size" => "llama4.attention.sliding_window",
        "text_config.rms_norm_eps" => "llama4.attention.layer_norm_rms_epsilon",
        "text_config.rope_theta" => "llama4.rope.freq_base",
        "text_config.vocab_size" => "llama4.vocab_size",
        "text_config.bos_token_id" => "tokenizer.ggml.bos_token_id",
        "text_config.pad_token_id" => "tokenizer.ggml.padding_token_id",
        "vision_config.num_hidden_layers" => "clip.vision.block_count",
        "vision_config.intermediate_size" => "clip.vision.feed_forward_length",
        "vision_config.norm_eps" => "clip.vision.attention.layer_norm_epsilon",
        "vision_config.patch_size" => "clip.vision.patch_size",
        "vision_config.image_size" => "clip.vision.image_size",
        "vision_config.num_attention_heads" => "clip.vision.attention.head_count",
        "vision_config.hidden_size" => "clip.vision.embedding_length",
        "vision_config.pixel_shuffle_ratio" => "clip.vision.projector.scale_factor",
        _ when field?.StartsWith("text_config.eos_token_id", StringComparison.Ordinal) == true => "tokenizer.ggml.eos_token_id",
        _ => field,
    };

    /// <summary>Whether a key is one of the vision projector's file and not of the model's.</summary>
    public static bool IsOfProjector(string? key) => key?.StartsWith(ProjectorKeys, StringComparison.Ordinal) == true;

    private static JsonObject Text(GgufModel model, out float[]? divisors)
    {
        GgufMetadata m = model.Metadata;
        const string P = "llama4.";
        int layers = m.Int(P + "block_count", 1, 4096);
        foreach (string each in (string[])["attention.head_count", "attention.head_count_kv", "feed_forward_length", "expert_feed_forward_length"])
        {
            m.CheckPerLayer(P + each, layers);
        }
        int hidden = m.Int(P + "embedding_length", 1, MaxWidth);
        int heads = m.Int(P + "attention.head_count", 1, MaxWidth);
        int headSize = m.Int(P + "attention.key_length", 2, 4096, Math.Max(1, hidden / heads));
        if (m.Int(P + "attention.value_length", 1, 4096, headSize) is var values && values != headSize)
        {
            throw m.Fault(P + "attention.value_length", $"is {values}, but keys have {headSize} elements; they must be equal.");
        }
        if (m.Int(P + "rope.dimension_count", 1, 4096, headSize) is var rotated && rotated != headSize)
        {
            throw m.Fault(P + "rope.dimension_count", $"is {rotated}, but heads have {headSize} elements; all of them are rotated.");
        }
        Refuse(m, P + "expert_weights_scale", m.Has(P + "expert_weights_scale") && m.Number(P + "expert_weights_scale", -1e9) is not (0 or 1));
        Refuse(m, P + "expert_weights_norm", m.Flag(P + "expert_weights_norm", false));
        RefuseScaledPositions(m, P);
        int experts = m.Int(P + "expert_count", 0, 65536, 0);
        int context = m.Int(P + "context_length", 1, int.MaxValue, 131072);
        double theta = m.Number(P + "rope.freq_base", 0, 500000);
        bool everywhere = m.Has(P + "attention.sliding_window") && m.Int(P + "attention.sliding_window", 0, int.MaxValue) == 0;
        JsonNode? scaling = RopeScaling(model.Source, headSize, theta, out divisors);
        string[] tokens = m.Has(GgufTokenizer.TokensKey) ? GgufTokenizer.Tokens(m) : [];
        int? rows = Rows(model.Source, GgufNaming.Embedding, MaxVocabulary);
        int vocabulary = rows is int own ? m.Int(P + "vocab_size", 1, MaxVocabulary, own) : m.Int(P + "vocab_size", 1, MaxVocabulary);
        if (rows is int embedded && embedded != vocabulary)
        {
            throw m.Fault(P + "vocab_size", $"is {vocabulary}, but '{GgufNaming.Embedding}' has {embedded} rows.");
        }
        return new JsonObject
        {
            ["model_type"] = "llama4_text",
            ["num_hidden_layers"] = layers,
            ["hidden_size"] = hidden,
            ["num_attention_heads"] = heads,
            ["num_key_value_heads"] = m.Int(P + "attention.head_count_kv", 1, MaxWidth, heads),
            ["head_dim"] = headSize,
            ["intermediate_size"] = m.Int(P + "expert_feed_forward_length", 1, MaxWidth, m.Int(P + "feed_forward_length", 1, MaxWidth)),
            ["intermediate_size_mlp"] = m.Int(P + "feed_forward_length", 1, MaxWidth),
            ["vocab_size"] = vocabulary,
            ["num_local_experts"] = experts,
            ["num_experts_per_tok"] = m.Int(P + "expert_used_count", 0, 65536, experts == 0 ? 0 : 1),
            ["moe_layers"] = MoeLayers(m, P, model.Source, layers, experts),
            ["no_rope_layers"] = everywhere ? new JsonArray([.. Enumerable.Repeat<JsonNode?>(1, layers)]) : null,
            ["attention_chunk_size"] = everywhere ? null : m.Int(P + "attention.sliding_window", 1, int.MaxValue, 8192),
            ["rms_norm_eps"] = m.Number(P + "attention.layer_norm_rms_epsilon", 0),
            ["rope_theta"] = theta,
            ["rope_scaling"] = scaling,
            ["use_qk_norm"] = experts != ExpertsWithoutQkNorm,
            ["attn_temperature_tuning"] = true,
            ["floor_scale"] = 8192,
            ["attn_scale"] = 0.1,
            ["attention_bias"] = model.Source.TryGet("blk.0.attn_q.bias", out _),
            ["max_position_embeddings"] = context,
            ["bos_token_id"] = m.OptionalInt("tokenizer.ggml.bos_token_id", 0, MaxVocabulary) ?? Optional(tokens, Llama4SpecialTokens.BeginOfText),
            ["eos_token_id"] = new JsonArray([.. EndTokens(m, tokens).Select(id => (JsonNode?)id)]),
            ["pad_token_id"] = m.OptionalInt("tokenizer.ggml.padding_token_id", 0, MaxVocabulary),
        };
    }

    private static void Refuse(GgufMetadata metadata, string key, bool present)
    {
        if (present)
        {
            throw metadata.Fault(key, "asks for a routing that no Llama 4 has; it is not supported.");
        }
    }

    // Llama 4's own scaling is in the divisors; the format's keys divide all positions alike.
    private static void RefuseScaledPositions(GgufMetadata m, string prefix)
    {
        const string Type = "rope.scaling.type";
        foreach (string key in (string[])[prefix + "rope.scaling.factor", prefix + "rope.scale_linear"])
        {
            if (m.Number(key, -1, 1) is not (0 or 1) and var factor && m.Text(prefix + Type) is not "none")
            {
                throw m.Fault(key, $"is {factor}: positions divided by a factor are not supported; a Llama 4 has its scaling in '{GgufNaming.RopeDivisors}'.");
            }
        }
        if (m.Text(prefix + Type) is string type and not ("none" or "linear"))
        {
            throw m.Fault(prefix + Type, $"is '{type}'; a Llama 4 has its scaling in '{GgufNaming.RopeDivisors}' and no other.");
        }
    }

    // The tensors decide where the step is not given.
    private static JsonArray MoeLayers(GgufMetadata m, string prefix, ITensorSource source, int layers, int experts)
    {
        int? step = m.OptionalInt(prefix + "interleave_moe_layer_step", 0, int.MaxValue);
        IEnumerable<int> moe = Enumerable.Range(0, layers).Where(layer => experts > 0
            && (step is int every ? every > 0 && (layer + 1) % every == 0 : source.TryGet(GgufNaming.Router(layer), out _)));
        return [.. moe.Select(layer => (JsonNode?)layer)];
    }

    // The end of a turn and of a message end an answer too, whatever the file calls its end token.
    private static IEnumerable<int> EndTokens(GgufMetadata m, string[] tokens)
    {
        int?[] ids =
        [
            m.OptionalInt("tokenizer.ggml.eos_token_id", 0, MaxVocabulary),
            m.OptionalInt("tokenizer.ggml.eot_token_id", 0, MaxVocabulary),
            m.OptionalInt("tokenizer.ggml.eom_token_id", 0, MaxVocabulary),
            Optional(tokens, Llama4SpecialTokens.EndOfText), Optional(tokens, Llama4SpecialTokens.EndOfTurn), Optional(tokens, Llama4SpecialTokens.EndOfMessage),
        ];
        return ids.OfType<int>().Distinct();
    }

    private static int? Optional(string[] tokens, string name) => Array.IndexOf(tokens, name) is >= 0 and var id ? id : null;

    private static int TokenId(GgufMetadata metadata, string[] tokens, string name) =>
        Optional(tokens, name) ?? throw metadata.Fault(GgufTokenizer.TokensKey, $"has no '{name}', which pictures need. Leave the vision projector out.");

    private static int? Rows(ITensorSource source, string name, int maximum) =>
        source.TryGet(name, out StoredTensor? tensor) && tensor.Shape.Count == 2 && tensor.Shape[0] <= maximum ? (int)tensor.Shape[0] : null;

    private static JsonObject? RopeScaling(ITensorSource source, int headSize, double theta, out float[]? divisors)
    {
        divisors = null;
        if (!source.TryGet(GgufNaming.RopeDivisors, out StoredTensor? tensor))
        {
            return null;
        }
        if (tensor.Type.Name != "F32" || tensor.Elements != headSize / 2)
        {
            throw new ModelFormatException(tensor.File, tensor.Name, $"is {tensor.Type} {tensor.ShapeText}; F32 [{headSize / 2}] is needed.");
        }
        float[] values = TensorValues.Read(source, tensor);
        if (Array.FindIndex(values, value => !float.IsFinite(value) || value <= 0) is >= 0 and var bad)
        {
            throw new ModelFormatException(tensor.File, tensor.Name, $"divisor {bad} is {values[bad]}; it must be positive and finite.");
        }
        if (Array.TrueForAll(values, value => value == 1))
        {
            return null;
        }
        if (RopeDivisorRule.Find(values, headSize, theta) is { } rule)
        {
            return new JsonObject
            {
                ["rope_type"] = "llama3",
                ["factor"] = rule.Factor,
                ["low_freq_factor"] = rule.LowFreqFactor,
                ["high_freq_factor"] = rule.HighFreqFactor,
                ["original_max_position_embeddings"] = rule.OriginalMaxPositions,
            };
        }
        divisors = values;
        return null;
    }

    private static JsonObject Vision(ITensorSource source, GgufMetadata m)
    {
        string type = m.Text("clip.projector_type") ?? m.Text("clip.vision.projector_type") ?? "(absent)";
        if (type != "llama4")
        {
            throw m.Fault("clip.projector_type", $"is '{type}'; a Llama 4 projector's is 'llama4'.");
        }
        const string P = "clip.vision.";
        foreach (string key in (string[])[P + "image_mean", P + "image_std"])
        {
            if (m.Floats(key) is { } values && !(values.Length == 3 && Array.TrueForAll(values, value => value == 0.5f)))
            {
                throw m.Fault(key, "only [0.5, 0.5, 0.5] is supported.");
            }
        }
        if (!m.Flag("clip.use_gelu", true))
        {
            throw m.Fault("clip.use_gelu", "is false; only GELU is supported.");
        }
        int width = Rows(source, GgufNaming.Adapter, MaxWidth) ?? throw m.Fault(GgufNaming.Adapter, "is missing.");
        int scale = m.Int(P + "projector.scale_factor", 1, 1024, 2);
        return new JsonObject
        {
            ["model_type"] = "llama4_vision_model",
            ["hidden_size"] = m.Int(P + "embedding_length", 1, MaxWidth),
            ["num_hidden_layers"] = m.Int(P + "block_count", 1, 4096),
            ["num_attention_heads"] = m.Int(P + "attention.head_count", 1, MaxWidth),
            ["intermediate_size"] = m.Int(P + "feed_forward_length", 1, MaxWidth),
            ["image_size"] = m.Int(P + "image_size", 1, 8192),
            ["patch_size"] = m.Int(P + "patch_size", 1, 1024),
            ["num_channels"] = 3,
            ["norm_eps"] = m.Number(P + "attention.layer_norm_epsilon", 0, 1e-5),
            ["pixel_shuffle_ratio"] = 1.0 / scale,
            ["projector_input_dim"] = width,
            ["projector_output_dim"] = width,
            ["vision_output_dim"] = width,
            ["hidden_act"] = "gelu",
        };
    }
}
