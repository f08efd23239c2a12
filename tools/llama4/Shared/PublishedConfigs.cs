using Llama4Kernels.Engine.Config;

namespace Llama4Kernels.Cli.Shared;

/// <summary>Configurations of the published models' text part, to plan with where no checkpoint is.</summary>
internal static class PublishedConfigs
{
    /// <summary>Layers of either model.</summary>
    public const int Layers = 48;

    /// <summary>Experts of a mixture layer.</summary>
    /// <param name="shape">One of <see cref="ModelShape.Names"/>.</param>
    public static int Experts(string shape) => shape == "maverick" ? 128 : 16;

    /// <summary>The configuration of a shape.</summary>
    /// <param name="shape">One of <see cref="ModelShape.Names"/>.</param>
    /// <param name="layers">How many of its layers.</param>
    /// <param name="experts">How many of its experts; null for all.</param>
    public static ModelConfig Get(string shape, int layers = Layers, int? experts = null)
    {
        experts ??= Experts(shape);
        string own = shape switch
        {
            "scout" => $$"""
                "interleave_moe_layer_step": 1, "num_local_experts": {{experts}}, "use_qk_norm": true, "max_position_embeddings": 10485760,
                "rope_scaling": { "rope_type": "llama3", "factor": 16.0, "low_freq_factor": 1.0, "high_freq_factor": 1.0, "original_max_position_embeddings": 8192 }
                """,
            "maverick" => $$"""
                "interleave_moe_layer_step": 2, "num_local_experts": {{experts}}, "use_qk_norm": false, "max_position_embeddings": 1048576, "rope_scaling": null
                """,
            _ => throw new ArgumentException($"There is no shape '{shape}'; there are {string.Join(", ", ModelShape.Names)}.", nameof(shape)),
        };
        return ModelConfig.Parse($$"""
            {
              "model_type": "llama4_text", "hidden_size": 5120, "num_hidden_layers": {{layers}}, "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128,
              "intermediate_size": 8192, "intermediate_size_mlp": 16384, "vocab_size": 202048, "num_experts_per_tok": 1, "attention_chunk_size": 8192,
              "hidden_act": "silu", "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "attention_bias": false, "tie_word_embeddings": false,
              "attn_temperature_tuning": true, "floor_scale": 8192, "attn_scale": 0.1, "bos_token_id": 200000, "eos_token_id": [200001, 200007, 200008], "pad_token_id": 200018,
              {{own}}
            }
            """, shape);
    }
}
