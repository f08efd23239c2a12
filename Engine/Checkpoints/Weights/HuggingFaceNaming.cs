using Llama4Kernels.Engine.Config;

namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>
/// The published safetensors layout. Experts are fused in [experts, in, out] tensors, one tensor each (as quantised releases
/// have them), or stacked [experts, out, in] (as MLX has them); each layer is taken to be in the form of its first expert's tensors, and fused if there are none.
/// </summary>
internal sealed class HuggingFaceNaming : WeightNaming
{
    /// <summary>What the names of text tensors begin with in the releases.</summary>
    public const string NestedPrefix = "language_model.";

    private const string Tower = "vision_model.";
    private const string ProjectorPrefix = "multi_modal_projector.";

    // Written by some tools, needed by none: rotary tables, and scales of activations and caches that are computed anew.
    private static readonly string[] s_ignorable =
        [
            "rotary_emb.inv_freq", "rotary_embedding.freqs_ci", ".input_scale", "_input_scale", ".input_scale_ub", ".input_zero_point", ".input_global_scale",
            ".output_scale", ".q_scale", ".k_scale", ".v_scale",
        ];

    private readonly int _experts;
    private readonly HashSet<string> _separate = new(StringComparer.Ordinal);
    private readonly HashSet<string> _stacked = new(StringComparer.Ordinal);

    /// <param name="prefix">What the names of text tensors begin with.</param>
    /// <param name="experts">Routed experts of a layer.</param>
    /// <param name="names">The names that there are, from which the form of each layer's experts is taken.</param>
    public HuggingFaceNaming(string prefix, int experts, IEnumerable<string> names)
    {
        Prefix = prefix;
        _experts = experts;
        const string First = ".experts.0.gate_proj.", Stacked = ".experts.gate_proj.weight";
        foreach (string name in names)
        {
            int at = name.IndexOf(First, StringComparison.Ordinal);
            if (at >= 0)
            {
                _separate.Add(name[..(at + ".experts.".Length)]);
            }
            else if (name.EndsWith(Stacked, StringComparison.Ordinal))
            {
                _stacked.Add(name[..^"gate_proj.weight".Length]);
            }
        }
    }

    /// <summary>What the names of text tensors begin with.</summary>
    public string Prefix { get; }

    /// <inheritdoc/>
    public override WeightParts Locate(Weight weight)
    {
        string layer = $"{Prefix}model.layers.{weight.Layer}.";
        if (weight.Expert < 0)
        {
            return Plain(weight.IsVision ? VisionName(weight) : TextName(weight, layer), weight);
        }
        string experts = $"{layer}feed_forward.experts.";
        if (_separate.Contains(experts))
        {
            return Plain($"{experts}{weight.Expert}.{Projection(weight)}.weight", weight);
        }
        if (_stacked.Contains(experts))
        {
            return new WeightPart($"{experts}{Projection(weight)}.weight", [_experts, weight.Rows, weight.Columns], (long)weight.Expert * weight.Rows, weight.Rows, 0, weight.Columns);
        }
        (long inputs, long outputs) = (weight.Columns, weight.Rows);
        bool down = weight.Role == WeightRole.ExpertDown;
        return new WeightPart(
            experts + (down ? "down_proj" : "gate_up_proj"),
            [_experts, inputs, down ? outputs : 2 * outputs],
            weight.Expert * inputs, weight.Columns,
            weight.Role == WeightRole.ExpertUp ? outputs : 0, weight.Rows,
            Transposed: true);
    }

    /// <inheritdoc/>
    public override bool Ignores(string name) => Array.Exists(s_ignorable, end => name.EndsWith(end, StringComparison.Ordinal));

    /// <inheritdoc/>
    public override bool IsVision(string name) => IsVisionName(name);

    /// <summary>What the names of text tensors begin with; text-only derivatives come with either kind of config and either kind of names.</summary>
    public static string PrefixOf(ModelConfig config, ITensorSource source)
    {
        const string Embedding = "model.embed_tokens.weight";
        return source.TryGet(NestedPrefix + Embedding, out _) ? NestedPrefix
            : source.TryGet(Embedding, out _) || !config.Nested ? ""
            : NestedPrefix;
    }

    /// <summary>Whether a name is one of the vision tower or its projector.</summary>
    public static bool IsVisionName(string name) =>
        name.StartsWith(Tower, StringComparison.Ordinal) || name.StartsWith(ProjectorPrefix, StringComparison.Ordinal);

    private string TextName(Weight weight, string layer) => weight.Role switch
    {
        WeightRole.Embedding => Prefix + "model.embed_tokens.weight",
        WeightRole.OutputHead => Prefix + "lm_head.weight",
        WeightRole.FinalNorm => Prefix + "model.norm.weight",
        WeightRole.AttentionNorm => layer + "input_layernorm.weight",
        WeightRole.FeedForwardNorm => layer + "post_attention_layernorm.weight",
        WeightRole.Query => layer + "self_attn.q_proj.weight",
        WeightRole.Key => layer + "self_attn.k_proj.weight",
        WeightRole.Value => layer + "self_attn.v_proj.weight",
        WeightRole.AttentionOutput => layer + "self_attn.o_proj.weight",
        WeightRole.QueryBias => layer + "self_attn.q_proj.bias",
        WeightRole.KeyBias => layer + "self_attn.k_proj.bias",
        WeightRole.ValueBias => layer + "self_attn.v_proj.bias",
        WeightRole.AttentionOutputBias => layer + "self_attn.o_proj.bias",
        WeightRole.Router => layer + "feed_forward.router.weight",
        WeightRole.Gate or WeightRole.Up or WeightRole.Down => $"{layer}feed_forward.{Projection(weight)}.weight",
        WeightRole.SharedGate or WeightRole.SharedUp or WeightRole.SharedDown => $"{layer}feed_forward.shared_expert.{Projection(weight)}.weight",
        _ => throw NoName(weight),
    };

    private static string Projection(Weight weight) => weight.Role switch
    {
        WeightRole.Gate or WeightRole.SharedGate or WeightRole.ExpertGate => "gate_proj",
        WeightRole.Up or WeightRole.SharedUp or WeightRole.ExpertUp => "up_proj",
        _ => "down_proj",
    };

    private static string VisionName(Weight weight)
    {
        string layer = $"{Tower}model.layers.{weight.Layer}.";
        return weight.Role switch
        {
            WeightRole.PatchEmbedding => Tower + "patch_embedding.linear.weight",
            WeightRole.ClassEmbedding => Tower + "class_embedding",
            WeightRole.Positions => Tower + "positional_embedding_vlm",
            WeightRole.PreNorm => Tower + "layernorm_pre.weight",
            WeightRole.PreNormBias => Tower + "layernorm_pre.bias",
            WeightRole.PostNorm => Tower + "layernorm_post.weight",
            WeightRole.PostNormBias => Tower + "layernorm_post.bias",
            WeightRole.VisionAttentionNorm => layer + "input_layernorm.weight",
            WeightRole.VisionAttentionNormBias => layer + "input_layernorm.bias",
            WeightRole.VisionQuery => layer + "self_attn.q_proj.weight",
            WeightRole.VisionQueryBias => layer + "self_attn.q_proj.bias",
            WeightRole.VisionKey => layer + "self_attn.k_proj.weight",
            WeightRole.VisionKeyBias => layer + "self_attn.k_proj.bias",
            WeightRole.VisionValue => layer + "self_attn.v_proj.weight",
            WeightRole.VisionValueBias => layer + "self_attn.v_proj.bias",
            WeightRole.VisionOutput => layer + "self_attn.o_proj.weight",
            WeightRole.VisionOutputBias => layer + "self_attn.o_proj.bias",
            WeightRole.VisionMlpNorm => layer + "post_attention_layernorm.weight",
            WeightRole.VisionMlpNormBias => layer + "post_attention_layernorm.bias",
            WeightRole.VisionFc1 => layer + "mlp.fc1.weight",
            WeightRole.VisionFc1Bias => layer + "mlp.fc1.bias",
            WeightRole.VisionFc2 => layer + "mlp.fc2.weight",
            WeightRole.VisionFc2Bias => layer + "mlp.fc2.bias",
            WeightRole.AdapterFc1 => Tower + "vision_adapter.mlp.fc1.weight",
            WeightRole.AdapterFc2 => Tower + "vision_adapter.mlp.fc2.weight",
            WeightRole.Projector => ProjectorPrefix + "linear_1.weight",
            _ => throw NoName(weight),
        };
    }
}
