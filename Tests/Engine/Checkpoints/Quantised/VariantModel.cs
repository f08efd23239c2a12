using Llama4Kernels.Engine.Checkpoints.SafeTensors;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Quantised;

/// <summary>A small model whose linear layers are stored in any way.</summary>
internal static class VariantModel
{
    private const int Hidden = 256, Queries = 256, Keys = 128, Width = 128, DenseWidth = 384, Experts = 3, Vocabulary = 96;

    /// <summary>A dense layer and one with experts, stored in a way and as the numbers that that stands for.</summary>
    public static (string Stored, string Plain) Write(TemporaryFolder to, StoredVariant variant)
    {
        var random = new Random(variant.Name.Length);
        List<SafeTensorsEntry> stored = [], plain = [];
        Both("model.embed_tokens.weight", [Vocabulary, Hidden], Hidden);
        Both("lm_head.weight", [Vocabulary, Hidden], Hidden);
        Both("model.norm.weight", [Hidden], 3);
        for (int layer = 0; layer < 2; layer++)
        {
            string name = $"model.layers.{layer}.", forward = name + "feed_forward.";
            Both(name + "input_layernorm.weight", [Hidden], 3);
            Both(name + "post_attention_layernorm.weight", [Hidden], 3);
            Linear(name + "self_attn.q_proj", Queries, Hidden);
            Linear(name + "self_attn.k_proj", Keys, Hidden);
            Linear(name + "self_attn.v_proj", Keys, Hidden);
            Linear(name + "self_attn.o_proj", Hidden, Queries);
            if (layer == 0)
            {
                SwiGlu(forward, DenseWidth);
                continue;
            }
            Both(forward + "router.weight", [Experts, Hidden], Hidden);
            SwiGlu(forward + "shared_expert.", Width);
            for (int expert = 0; expert < Experts; expert++)
            {
                SwiGlu($"{forward}experts.{expert}.", Width);
            }
        }
        string quantization = variant.Config is null ? "" : variant.Name.StartsWith("mlx", StringComparison.Ordinal) ? $", \"quantization\": {variant.Config}" : $", \"quantization_config\": {variant.Config}";
        return (Save(to, stored, quantization), Save(to, plain, ""));

        void Both(string name, long[] shape, int inputs)
        {
            float[] values = [.. Enumerable.Range(0, (int)shape.Aggregate(1L, (a, b) => a * b)).Select(_ => StoredVariant.Rounded(MathF.Sqrt(3f / inputs) * (2 * random.NextSingle() - 1), SafeTensorsType.BF16))];
            stored.Add(SafeTensorsEntry.FromBytes(name, SafeTensorsType.BF16, shape, StoredVariant.Bytes(values, SafeTensorsType.BF16)));
            plain.Add(stored[^1]);
        }

        void Linear(string name, int rows, int columns)
        {
            float[] values = variant.Store(new StoredModule(name, rows, columns, random, stored));
            plain.Add(SafeTensorsEntry.FromBytes(name + ".weight", SafeTensorsType.F32, [rows, columns], StoredVariant.Bytes(values, SafeTensorsType.F32)));
        }

        void SwiGlu(string name, int width)
        {
            Linear(name + "gate_proj", width, Hidden);
            Linear(name + "up_proj", width, Hidden);
            Linear(name + "down_proj", Hidden, width);
        }
    }

    private static string Save(TemporaryFolder to, List<SafeTensorsEntry> tensors, string more)
    {
        string folder = to.File(Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(folder);
        SafeTensorsWriter.Write(Path.Combine(folder, "model.safetensors"), tensors);
        File.WriteAllText(Path.Combine(folder, "config.json"), $$"""
            {"model_type":"llama4_text","hidden_size":{{Hidden}},"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":64,"intermediate_size":{{Width}},
             "intermediate_size_mlp":{{DenseWidth}},"vocab_size":{{Vocabulary}},"num_local_experts":{{Experts}},"num_experts_per_tok":1,"moe_layers":[1],"bos_token_id":1,"eos_token_id":2{{more}} }
            """);
        return folder;
    }
}
