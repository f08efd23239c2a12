using System.Text.Json;
using Llama4Kernels.Kernels.Rope;

namespace Llama4Kernels.Engine.Config;

/// <summary>Reads the text model's part of a config.json in all the forms that releases and derivatives use.</summary>
internal static class TextConfigReader
{
    private const int MaxWidth = 1 << 20;
    private const int MaxLayers = 4096;
    private const int MaxExperts = 65536;
    private const int MaxVocabulary = 1 << 24;

    public static TextConfig Read(JsonFields fields, JsonFields? generation, List<string> warnings)
    {
        if (fields.Text("hidden_act") is { } activation && activation != "silu")
        {
            throw fields.Fault("hidden_act", $"'{activation}' is not supported; 'silu' is.");
        }
        int layers = fields.Int("num_hidden_layers", 1, MaxLayers, 48);
        int heads = fields.Int("num_attention_heads", 1, MaxWidth, 40);
        int hidden = fields.Int("hidden_size", 1, MaxWidth);
        // An absent key means the library's default; a null means that the value follows from the others.
        int kvHeads = fields.OptionalInt("num_key_value_heads", 1, MaxWidth) ?? (fields.Contains("num_key_value_heads") ? heads : 8);
        if (heads % kvHeads != 0)
        {
            throw fields.Fault("num_key_value_heads", $"{kvHeads} does not divide num_attention_heads {heads}.");
        }
        int headDim = fields.OptionalInt("head_dim", 2, 4096) ?? (fields.Contains("head_dim") ? HeadDimOf(fields, hidden, heads) : 128);
        if (headDim % 2 != 0)
        {
            throw fields.Fault("head_dim", $"{headDim} is odd; rotary embedding works on pairs.");
        }
        if ((long)heads * headDim > MaxWidth)
        {
            throw fields.Fault("num_attention_heads", $"{heads} heads of {headDim} are wider than {MaxWidth}.");
        }
        int? chunk = fields.Contains("attention_chunk_size") ? fields.OptionalInt("attention_chunk_size", 1, int.MaxValue) : 8192;
        bool[] rope = ReadRopeLayers(fields, layers);
        bool[] moe = ReadMoeLayers(fields, layers);
        bool[] chunked = ReadChunkedLayers(fields, rope);
        bool anyMoe = moe.Contains(true);
        int experts = fields.Int("num_local_experts", anyMoe ? 1 : 0, MaxExperts, 16);
        int perToken = fields.Int("num_experts_per_tok", anyMoe ? 1 : 0, MaxExperts, 1);
        if (anyMoe && perToken > experts)
        {
            throw fields.Fault("num_experts_per_tok", $"{perToken} is more than the {experts} experts.");
        }
        (double theta, RopeScaling? scaling) = RopeReader.Read(fields, 500000, scales: true);
        if (scaling is { Factor: 8, HighFreqFactor: 4 } && anyMoe && experts == 16)
        {
            warnings.Add("rope_scaling has factor 8 and high_freq_factor 4; a Llama 4 with 16 experts was trained with 16 and 1. The file's values are used.");
        }
        int vocabulary = fields.Int("vocab_size", 1, MaxVocabulary, 202048);
        return new TextConfig
        {
            HiddenSize = hidden,
            Layers = layers,
            Heads = heads,
            KvHeads = kvHeads,
            HeadDim = headDim,
            IntermediateSize = fields.Int("intermediate_size", 1, MaxWidth, 8192),
            IntermediateSizeMlp = fields.Int("intermediate_size_mlp", 1, MaxWidth, 16384),
            VocabSize = vocabulary,
            Experts = anyMoe ? experts : 0,
            ExpertsPerToken = anyMoe ? perToken : 0,
            RmsNormEps = (float)fields.Number("rms_norm_eps", 0, 1, 1e-5),
            RopeTheta = theta,
            RopeScaling = scaling,
            AttentionChunkSize = chunk,
            AttentionBias = fields.Bool("attention_bias", false),
            UseQkNorm = fields.Bool("use_qk_norm", true),
            TemperatureTuning = fields.Flag("attn_temperature_tuning", true),
            FloorScale = (float)fields.Number("floor_scale", 0, 1e12, 8192),
            AttnScale = (float)fields.Number("attn_scale", -1e6, 1e6, 0.1),
            MaxPositions = fields.Int("max_position_embeddings", 1, int.MaxValue, 131072),
            BosToken = ReadBos(fields, generation, vocabulary, warnings),
            EosTokens = ReadEos(fields, generation, vocabulary, warnings),
            PadToken = fields.OptionalInt("pad_token_id", -1, vocabulary - 1) is >= 0 and var pad ? pad : null,
            LayerKinds = [.. Enumerable.Range(0, layers).Select(i => new LayerConfig(rope[i], chunked[i] && chunk is not null, moe[i]))],
        };
    }

    private static int HeadDimOf(JsonFields fields, int hidden, int heads) => hidden % heads == 0
        ? Math.Clamp(hidden / heads, 2, 4096)
        : throw fields.Fault("head_dim", $"is null, and num_attention_heads {heads} does not divide hidden_size {hidden}.");

    private static bool[] ReadRopeLayers(JsonFields fields, int layers)
    {
        int[]? list = fields.Ints("no_rope_layers", 0, 1);
        if (list is null or [])
        {
            int interval = fields.Int("no_rope_layer_interval", 1, int.MaxValue, 4);
            return [.. Enumerable.Range(1, layers).Select(i => i % interval != 0)];
        }
        if (list.Length != layers)
        {
            throw fields.Fault("no_rope_layers", $"has {list.Length} entries for {layers} layers; it must be one 0 (no rotary embedding) or 1 for each.");
        }
        return Array.ConvertAll(list, value => value == 1);
    }

    private static bool[] ReadMoeLayers(JsonFields fields, int layers)
    {
        bool[] moe = new bool[layers];
        int[]? list = fields.Ints("moe_layers", 0, layers - 1);
        if (list is null)
        {
            int step = fields.Int("interleave_moe_layer_step", 1, int.MaxValue, 1);
            return [.. Enumerable.Range(1, layers).Select(i => i % step == 0)];
        }
        foreach (int layer in list)
        {
            if (moe[layer])
            {
                throw fields.Fault("moe_layers", $"lists layer {layer} twice.");
            }
            moe[layer] = true;
        }
        return moe;
    }

    private static bool[] ReadChunkedLayers(JsonFields fields, bool[] rope)
    {
        string[]? types = fields.Texts("layer_types");
        if (types is null)
        {
            return rope;
        }
        if (types.Length != rope.Length)
        {
            throw fields.Fault("layer_types", $"has {types.Length} entries for {rope.Length} layers.");
        }
        return Array.ConvertAll(types, type => type switch
        {
            "chunked_attention" => true,
            "full_attention" => false,
            _ => throw fields.Fault("layer_types", $"'{type}' is neither 'chunked_attention' nor 'full_attention'."),
        });
    }

    private static int ReadBos(JsonFields fields, JsonFields? generation, int vocabulary, List<string> warnings)
    {
        int? bos = fields.OptionalInt("bos_token_id", 0, vocabulary - 1) ?? generation?.OptionalInt("bos_token_id", 0, vocabulary - 1);
        if (bos is null)
        {
            warnings.Add("bos_token_id is missing; the format's default 1 is used, which no released Llama 4 means.");
        }
        return bos ?? Math.Min(1, vocabulary - 1);
    }

    private static int[] ReadEos(JsonFields fields, JsonFields? generation, int vocabulary, List<string> warnings)
    {
        int[] own = fields.Ints("eos_token_id", 0, vocabulary - 1, orSingle: true) ?? [];
        int[] more = generation?.Ints("eos_token_id", 0, vocabulary - 1, orSingle: true) ?? [];
        int[] all = [.. own.Union(more)];
        if (all.Length == 0)
        {
            warnings.Add("eos_token_id is missing; the chat format's own end tokens apply.");
        }
        return all;
    }
}
