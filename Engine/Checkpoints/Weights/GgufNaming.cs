namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>
/// The names of llama.cpp: of a model's file and of its vision projector's file. Experts are stacked in one tensor, gate and up
/// apart or fused (gate rows first), or one tensor each; the names that there are decide.
/// </summary>
internal sealed class GgufNaming(int experts, ITensorSource source) : WeightNaming
{
    /// <summary>The divisors of the rotary angles: part of the configuration.</summary>
    public const string RopeDivisors = "rope_freqs.weight";

    /// <summary>The router of a layer, which only mixture layers have.</summary>
    public static string Router(int layer) => $"blk.{layer}.ffn_gate_inp.weight";

    /// <summary>The token embedding, whose rows are the vocabulary.</summary>
    public const string Embedding = "token_embd.weight";

    /// <summary>The adapter's second matrix, whose rows are its width.</summary>
    public const string Adapter = "mm.model.mlp.2.weight";

    /// <inheritdoc/>
    public override WeightParts Locate(Weight weight)
    {
        if (weight.Expert >= 0)
        {
            return Expert(weight);
        }
        WeightPart part = Plain(weight.IsVision ? VisionName(weight) : TextName(weight), weight);
        // Some writers keep the patch embedding as a convolution, [out, channels, rows, columns]: the same order of elements.
        return weight.Role == WeightRole.PatchEmbedding && source.TryGet(part.Tensor, out StoredTensor? stored) && stored.Shape.Count == 4
            && stored.Shape[0] == weight.Rows && stored.Elements == (long)weight.Rows * weight.Columns
            ? part with { Shape = [.. stored.Shape], RowElements = weight.Columns }
            : part;
    }

    /// <inheritdoc/>
    public override bool Ignores(string name) => name == RopeDivisors;

    /// <inheritdoc/>
    public override bool IsVision(string name) =>
        name.StartsWith("v.", StringComparison.Ordinal) || name.StartsWith("mm.", StringComparison.Ordinal);

    private WeightPart Expert(Weight weight)
    {
        string layer = $"blk.{weight.Layer}.ffn_";
        string kind = weight.Role switch { WeightRole.ExpertGate => "gate", WeightRole.ExpertUp => "up", _ => "down" };
        string single = $"{layer}{kind}.{weight.Expert}.weight", fused = layer + "gate_up_exps.weight";
        if (source.TryGet(single, out _))
        {
            return Plain(single, weight);
        }
        if (kind != "down" && source.TryGet(fused, out _))
        {
            long first = 2L * weight.Expert * weight.Rows + (kind == "up" ? weight.Rows : 0);
            return new WeightPart(fused, [experts, 2L * weight.Rows, weight.Columns], first, weight.Rows, 0, weight.Columns);
        }
        return new WeightPart($"{layer}{kind}_exps.weight", [experts, weight.Rows, weight.Columns], (long)weight.Expert * weight.Rows, weight.Rows, 0, weight.Columns);
    }

    private static string TextName(Weight weight)
    {
        string layer = $"blk.{weight.Layer}.";
        return weight.Role switch
        {
            WeightRole.Embedding => Embedding,
            WeightRole.OutputHead => "output.weight",
            WeightRole.FinalNorm => "output_norm.weight",
            WeightRole.AttentionNorm => layer + "attn_norm.weight",
            WeightRole.FeedForwardNorm => layer + "ffn_norm.weight",
            WeightRole.Query => layer + "attn_q.weight",
            WeightRole.Key => layer + "attn_k.weight",
            WeightRole.Value => layer + "attn_v.weight",
            WeightRole.AttentionOutput => layer + "attn_output.weight",
            WeightRole.QueryBias => layer + "attn_q.bias",
            WeightRole.KeyBias => layer + "attn_k.bias",
            WeightRole.ValueBias => layer + "attn_v.bias",
            WeightRole.AttentionOutputBias => layer + "attn_output.bias",
            WeightRole.Router => Router(weight.Layer),
            WeightRole.Gate => layer + "ffn_gate.weight",
            WeightRole.Up => layer + "ffn_up.weight",
            WeightRole.Down => layer + "ffn_down.weight",
            WeightRole.SharedGate => layer + "ffn_gate_shexp.weight",
            WeightRole.SharedUp => layer + "ffn_up_shexp.weight",
            WeightRole.SharedDown => layer + "ffn_down_shexp.weight",
            _ => throw NoName(weight),
        };
    }

    private static string VisionName(Weight weight)
    {
        string layer = $"v.blk.{weight.Layer}.";
        return weight.Role switch
        {
            WeightRole.PatchEmbedding => "v.patch_embd.weight",
            WeightRole.ClassEmbedding => "v.class_embd",
            WeightRole.Positions => "v.position_embd.weight",
            WeightRole.PreNorm => "v.pre_ln.weight",
            WeightRole.PreNormBias => "v.pre_ln.bias",
            WeightRole.PostNorm => "v.post_ln.weight",
            WeightRole.PostNormBias => "v.post_ln.bias",
            WeightRole.VisionAttentionNorm => layer + "ln1.weight",
            WeightRole.VisionAttentionNormBias => layer + "ln1.bias",
            WeightRole.VisionQuery => layer + "attn_q.weight",
            WeightRole.VisionQueryBias => layer + "attn_q.bias",
            WeightRole.VisionKey => layer + "attn_k.weight",
            WeightRole.VisionKeyBias => layer + "attn_k.bias",
            WeightRole.VisionValue => layer + "attn_v.weight",
            WeightRole.VisionValueBias => layer + "attn_v.bias",
            WeightRole.VisionOutput => layer + "attn_out.weight",
            WeightRole.VisionOutputBias => layer + "attn_out.bias",
            WeightRole.VisionMlpNorm => layer + "ln2.weight",
            WeightRole.VisionMlpNormBias => layer + "ln2.bias",
            WeightRole.VisionFc1 => layer + "ffn_up.weight",
            WeightRole.VisionFc1Bias => layer + "ffn_up.bias",
            WeightRole.VisionFc2 => layer + "ffn_down.weight",
            WeightRole.VisionFc2Bias => layer + "ffn_down.bias",
            WeightRole.AdapterFc1 => "mm.model.mlp.1.weight",
            WeightRole.AdapterFc2 => Adapter,
            WeightRole.Projector => "mm.model.fc.weight",
            _ => throw NoName(weight),
        };
    }
}
