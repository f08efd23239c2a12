using Llama4Kernels.Engine.Checkpoints.SafeTensors;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Quantised;

/// <summary>A small model whose linear layers are stored in any way.</summary>
internal static class VariantModel
{
    private const int Experts = 3, Vocabulary = 96, HeadSize = 64;

    /// <summary>A dense layer and one with experts, stored in a way and as the numbers that that stands for.</summary>
    public static (string Stored, string Plain) Write(TemporaryFolder to, StoredVariant variant)
    {
        List<SafeTensorsEntry> plain = [];
        return (WriteStored(to, variant, 1, plain), Save(to, plain, 1, ""));
    }

    /// <summary>The same, stored only.</summary>
    /// <param name="to">Where the folder goes.</param>
    /// <param name="variant">The way.</param>
    /// <param name="scale">All widths are so many times the usual ones.</param>
    /// <param name="plain">Takes the tensors as numbers.</param>
    public static string WriteStored(TemporaryFolder to, StoredVariant variant, int scale, List<SafeTensorsEntry>? plain = null)
    {
        int hidden = 256 * scale, keys = 128 * scale, width = 128 * scale, denseWidth = 384 * scale;
        var random = new Random(variant.Name.Length);
        List<SafeTensorsEntry> stored = [];
        Both("model.embed_tokens.weight", [Vocabulary, hidden], hidden);
        Both("lm_head.weight", [Vocabulary, hidden], hidden);
        Both("model.norm.weight", [hidden], 3);
        for (int layer = 0; layer < 2; layer++)
        {
            string name = $"model.layers.{layer}.", forward = name + "feed_forward.";
            Both(name + "input_layernorm.weight", [hidden], 3);
            Both(name + "post_attention_layernorm.weight", [hidden], 3);
            Linear(name + "self_attn.q_proj", hidden, hidden);
            Linear(name + "self_attn.k_proj", keys, hidden);
            Linear(name + "self_attn.v_proj", keys, hidden);
            Linear(name + "self_attn.o_proj", hidden, hidden);
            if (layer == 0)
            {
                SwiGlu(forward, denseWidth);
                continue;
            }
            Both(forward + "router.weight", [Experts, hidden], hidden);
            SwiGlu(forward + "shared_expert.", width);
            for (int expert = 0; expert < Experts; expert++)
            {
                SwiGlu($"{forward}experts.{expert}.", width);
            }
        }
        string quantization = variant.Config is null ? "" : variant.Name.StartsWith("mlx", StringComparison.Ordinal) ? $", \"quantization\": {variant.Config}" : $", \"quantization_config\": {variant.Config}";
        return Save(to, stored, scale, quantization);

        void Both(string name, long[] shape, int inputs)
        {
            float[] values = [.. Enumerable.Range(0, (int)shape.Aggregate(1L, (a, b) => a * b)).Select(_ => StoredVariant.Rounded(MathF.Sqrt(3f / inputs) * (2 * random.NextSingle() - 1), SafeTensorsType.BF16))];
            stored.Add(SafeTensorsEntry.FromBytes(name, SafeTensorsType.BF16, shape, StoredVariant.Bytes(values, SafeTensorsType.BF16)));
            plain?.Add(stored[^1]);
        }

        void Linear(string name, int rows, int columns)
        {
            float[] values = variant.Store(new StoredModule(name, rows, columns, random, stored));
            plain?.Add(SafeTensorsEntry.FromBytes(name + ".weight", SafeTensorsType.F32, [rows, columns], StoredVariant.Bytes(values, SafeTensorsType.F32)));
        }

        void SwiGlu(string name, int inner)
        {
            Linear(name + "gate_proj", inner, hidden);
            Linear(name + "up_proj", inner, hidden);
            Linear(name + "down_proj", hidden, inner);
        }
    }

    private static string Save(TemporaryFolder to, List<SafeTensorsEntry> tensors, int scale, string more)
    {
        string folder = to.File(Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(folder);
        SafeTensorsWriter.Write(Path.Combine(folder, "model.safetensors"), tensors);
        File.WriteAllText(Path.Combine(folder, "config.json"), $$"""
            {"model_type":"llama4_text","hidden_size":{{256 * scale}},"num_hidden_layers":2,"num_attention_heads":{{4 * scale}},"num_key_value_heads":{{2 * scale}},"head_dim":{{HeadSize}},"intermediate_size":{{128 * scale}},
             "intermediate_size_mlp":{{384 * scale}},"vocab_size":{{Vocabulary}},"num_local_experts":{{Experts}},"num_experts_per_tok":1,"moe_layers":[1],"bos_token_id":1,"eos_token_id":2{{more}} }
            """);
        return folder;
    }
}
