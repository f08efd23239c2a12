using System.Runtime.InteropServices;
using System.Text.Json;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Engine.Model;

/// <summary>A checkpoint folder with random bf16 weights and no tokenizer; deleted when disposed.</summary>
internal sealed class RandomCheckpoint : IDisposable
{
    private readonly Random _random;
    private readonly Dictionary<string, long[]> _shapes = [];

    /// <param name="shape">Sizes and layer kinds.</param>
    /// <param name="settings">Entries of the text configuration that replace the plain ones; <see cref="DBNull"/> leaves one out.</param>
    /// <param name="nested">Whether the configuration is the text part of a larger one.</param>
    /// <param name="seed">Seed of the weights.</param>
    public RandomCheckpoint(ForwardOracleShape shape, IReadOnlyDictionary<string, object?> settings, bool nested, int seed)
    {
        _random = new Random(seed);
        AddTensors(shape);
        Folder = Directory.CreateTempSubdirectory("random-checkpoint").FullName;
        string prefix = nested ? "language_model." : "";
        SafeTensorsWriter.Write(Path.Combine(Folder, "model.safetensors"), Weights.Select(w => SafeTensorsEntry.FromBytes(prefix + w.Key, SafeTensorsType.BF16, _shapes[w.Key], Bytes(w.Value))));
        Dictionary<string, object?> text = Plain(shape);
        foreach ((string key, object? value) in settings)
        {
            text[key] = value;
            if (value is DBNull)
            {
                text.Remove(key);
            }
        }
        if (nested)
        {
            text["model_type"] = "llama4_text";
        }
        object config = nested
            ? new Dictionary<string, object?> { ["architectures"] = new[] { "Llama4ForConditionalGeneration" }, ["model_type"] = "llama4", ["text_config"] = text }
            : text;
        File.WriteAllText(Path.Combine(Folder, "config.json"), JsonSerializer.Serialize(config));
    }

    public string Folder { get; }

    /// <summary>Weights by their names in a flat checkpoint, rounded to bf16.</summary>
    public Dictionary<string, float[]> Weights { get; } = [];

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private static Dictionary<string, object?> Plain(ForwardOracleShape s) => new()
    {
        ["architectures"] = new[] { "Llama4ForCausalLM" },
        ["model_type"] = "llama4_text",
        ["hidden_size"] = s.Hidden,
        ["num_hidden_layers"] = s.Layers,
        ["num_attention_heads"] = s.Heads,
        ["num_key_value_heads"] = s.KvHeads,
        ["head_dim"] = s.HeadDim,
        ["intermediate_size"] = s.ExpertWidth,
        ["intermediate_size_mlp"] = s.DenseWidth,
        ["vocab_size"] = s.Vocabulary,
        ["num_local_experts"] = s.Experts,
        ["num_experts_per_tok"] = s.PerToken,
        ["no_rope_layers"] = Array.ConvertAll(s.Rope, rope => rope ? 1 : 0),
        ["moe_layers"] = Enumerable.Range(0, s.Layers).Where(i => s.Moe[i]).ToArray(),
        ["attention_chunk_size"] = s.Chunk,
        ["attention_bias"] = s.Bias,
        ["use_qk_norm"] = s.QkNorm,
        ["attn_temperature_tuning"] = s.Temperature,
        ["floor_scale"] = s.FloorScale,
        ["attn_scale"] = s.AttnScale,
        ["rope_theta"] = s.Theta,
        ["rope_scaling"] = s.Scaling is var (factor, low, high, original)
            ? new Dictionary<string, object?> { ["rope_type"] = "llama3", ["factor"] = factor, ["low_freq_factor"] = low, ["high_freq_factor"] = high, ["original_max_position_embeddings"] = original }
            : null,
        ["tie_word_embeddings"] = s.Tied,
        ["rms_norm_eps"] = s.Eps,
        ["max_position_embeddings"] = 4096,
        ["bos_token_id"] = 1,
        ["eos_token_id"] = 2,
    };

    private void AddTensors(ForwardOracleShape s)
    {
        Add("model.embed_tokens.weight", 1, s.Vocabulary, s.Hidden);
        if (!s.Tied)
        {
            Add("lm_head.weight", s.Hidden, s.Vocabulary, s.Hidden);
        }
        AddNorm("model.norm.weight", s.Hidden);
        for (int layer = 0; layer < s.Layers; layer++)
        {
            string name = $"model.layers.{layer}.";
            AddNorm($"{name}input_layernorm.weight", s.Hidden);
            AddNorm($"{name}post_attention_layernorm.weight", s.Hidden);
            AddProjection(s, $"{name}self_attn.q_proj", s.Heads * s.HeadDim, s.Hidden);
            AddProjection(s, $"{name}self_attn.k_proj", s.KvHeads * s.HeadDim, s.Hidden);
            AddProjection(s, $"{name}self_attn.v_proj", s.KvHeads * s.HeadDim, s.Hidden);
            AddProjection(s, $"{name}self_attn.o_proj", s.Hidden, s.Heads * s.HeadDim);
            string forward = $"{name}feed_forward.";
            if (!s.Moe[layer])
            {
                AddSwiGlu(forward, s.Hidden, s.DenseWidth);
                continue;
            }
            Add($"{forward}router.weight", s.Hidden, s.Experts, s.Hidden);
            AddSwiGlu($"{forward}shared_expert.", s.Hidden, s.ExpertWidth);
            Add($"{forward}experts.gate_up_proj", s.Hidden, s.Experts, s.Hidden, 2 * s.ExpertWidth);
            Add($"{forward}experts.down_proj", s.ExpertWidth, s.Experts, s.ExpertWidth, s.Hidden);
        }
    }

    private void AddProjection(ForwardOracleShape s, string name, int outputs, int inputs)
    {
        Add($"{name}.weight", inputs, outputs, inputs);
        if (s.Bias)
        {
            Add($"{name}.bias", 4, outputs);
        }
    }

    private void AddSwiGlu(string name, int hidden, int width)
    {
        Add($"{name}gate_proj.weight", hidden, width, hidden);
        Add($"{name}up_proj.weight", hidden, width, hidden);
        Add($"{name}down_proj.weight", width, hidden, width);
    }

    private void AddNorm(string name, int width)
    {
        Add(name, 36, width);
        Weights[name] = Array.ConvertAll(Weights[name], value => Truncate(1 + value));
    }

    // Uniform with variance 1/inputs.
    private void Add(string name, int inputs, params long[] shape)
    {
        float[] values = new float[shape.Aggregate(1L, (product, extent) => product * extent)];
        double limit = Math.Sqrt(3.0 / inputs);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Truncate((float)((2 * _random.NextDouble() - 1) * limit));
        }
        Weights[name] = values;
        _shapes[name] = shape;
    }

    private static float Truncate(float value) => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) & 0xffff0000);

    private static byte[] Bytes(float[] values) =>
        MemoryMarshal.AsBytes(Array.ConvertAll(values, value => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16)).AsSpan()).ToArray();
}
