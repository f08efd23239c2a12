using Llama4Kernels.Engine.Checkpoints.Meta;
using Llama4Kernels.Engine.Config;

namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>
/// The names of Meta's own files, and how the ranks of a model-parallel set join: along the output features or the input
/// features, or not at all. The tensor of a rank is named <see cref="OfRank"/>.
/// </summary>
/// <param name="text">Sizes of the text model.</param>
/// <param name="ranks">Files of the set; the configuration was checked to divide by them where it has to.</param>
/// <param name="source">The files' tensors.</param>
internal sealed class MetaNaming(TextConfig text, int ranks, ITensorSource source) : WeightNaming
{
    /// <summary>The token embedding, whose rows are a rank's share of the vocabulary.</summary>
    public const string Embedding = "tok_embeddings.weight";

    private const string RankMark = " [consolidated.";
    private const string Encoder = "vision_embeddings.vision_encoder.";
    private const string Adapter = "vision_embeddings.vision_adapter.mlp.";
    private const string Projector = "vision_projection.";

    // Tables that are computed anew, states of transformer libraries, statistics of training.
    private static readonly string[] s_ignorable =
        ["rope.freqs", "freq_cis", "freqs_cis", "_extra_state", ".expert_activation_DE", ".global_gate_stats_3E", ".running_gate_stats_3E", "vision_adapter.fc.weight"];

    /// <summary>The name of a rank's tensor in the source: with its file, if there are several.</summary>
    public static string OfRank(string name, int rank, int ranks) => ranks == 1 ? name : $"{name} [{MetaModel.FileName(rank)}]";

    /// <summary>Whether an entry of a file is no weight at all.</summary>
    public static bool IsDropped(string name) => Array.Exists(s_ignorable, end => name.EndsWith(end, StringComparison.Ordinal));

    /// <inheritdoc/>
    public override WeightParts Locate(Weight weight) => weight.Role switch
    {
        WeightRole.Query or WeightRole.Key or WeightRole.Value => Attention(weight),
        WeightRole.Gate or WeightRole.Up => Fused(weight),
        WeightRole.ExpertGate or WeightRole.ExpertUp or WeightRole.ExpertDown => Expert(weight),
        WeightRole.Router => Replicated(WeightPart.Whole($"{Layer(weight)}feed_forward.router_DE", true, weight.Columns, weight.Rows)),
        _ => Usual(weight),
    };

    /// <inheritdoc/>
    public override bool Ignores(string name)
    {
        int rank = name.LastIndexOf(RankMark, StringComparison.Ordinal);
        return IsDropped(rank < 0 ? name : name[..rank]);
    }

    /// <inheritdoc/>
    public override bool IsVision(string name) =>
        name.StartsWith("vision_embeddings.", StringComparison.Ordinal) || name.StartsWith(Projector, StringComparison.Ordinal);

    private static string Layer(Weight weight) => $"layers.{weight.Layer}.";

    private WeightParts Usual(Weight weight)
    {
        (string name, Split split) = weight.IsVision ? VisionName(weight) : TextName(weight);
        return split switch
        {
            Split.Outputs when weight.IsVector => new WeightParts(ByRank(name, Share(weight.Columns)), BesideEachOther: true),
            Split.Outputs => new WeightParts(ByRank(name, Share(weight.Rows), weight.Columns)),
            Split.Inputs => new WeightParts(ByRank(name, weight.Rows, Share(weight.Columns)), BesideEachOther: true),
            _ => Replicated(Plain(name, weight)),
        };
    }

    // One matrix a rank with its queries, then its keys, then its values; or three matrices.
    private WeightParts Attention(Weight weight)
    {
        string attention = $"{Layer(weight)}attention.", fused = attention + "wqkv.weight";
        string single = attention + weight.Role switch { WeightRole.Query => "wq.weight", WeightRole.Key => "wk.weight", _ => "wv.weight" };
        if (Has(single))
        {
            return new WeightParts(ByRank(single, Share(weight.Rows), weight.Columns));
        }
        int queries = Share(text.Heads * text.HeadDim), keys = Share(text.KvHeads * text.HeadDim);
        int first = weight.Role switch { WeightRole.Query => 0, WeightRole.Key => queries, _ => queries + keys };
        return new WeightParts([.. ByRank(fused, queries + 2 * keys, weight.Columns).Select(part => part.Slice(first, Share(weight.Rows)))]);
    }

    // One matrix a rank with its half of the gate, then its half of up; or two matrices.
    private WeightParts Fused(Weight weight)
    {
        string forward = $"{Layer(weight)}feed_forward.", single = forward + (weight.Role == WeightRole.Gate ? "w1.weight" : "w3.weight");
        int own = Share(weight.Rows);
        return new WeightParts(Has(single)
            ? ByRank(single, own, weight.Columns)
            : [.. ByRank(forward + "mlp.fc1_weight", 2 * own, weight.Columns).Select(part => part.Slice(weight.Role == WeightRole.Gate ? 0 : own, own))]);
    }

    private WeightParts Expert(Weight weight)
    {
        string prefix = $"{Layer(weight)}feed_forward.experts.";
        bool down = weight.Role == WeightRole.ExpertDown;
        string flat = prefix + weight.Role switch { WeightRole.ExpertGate => "moe_w_in_eD_F", WeightRole.ExpertUp => "moe_w_swiglu_eD_F", _ => "moe_w_out_eF_D" };
        string deep = prefix + weight.Role switch { WeightRole.ExpertGate => "w1", WeightRole.ExpertUp => "w3", _ => "w2" };
        (int inputs, int outputs) = down ? (Share(weight.Columns), weight.Rows) : (weight.Columns, Share(weight.Rows));
        bool three = Has(deep);
        long[] shape = three ? [text.Experts, inputs, outputs] : [(long)text.Experts * inputs, outputs];
        return new WeightParts(
            [.. Enumerable.Range(0, ranks).Select(rank => new WeightPart(
                OfRank(three ? deep : flat, rank, ranks), shape, (long)weight.Expert * inputs, inputs, 0, outputs, Transposed: true))],
            BesideEachOther: down);
    }

    private (string Name, Split Split) TextName(Weight weight)
    {
        string layer = Layer(weight);
        string forward = layer + "feed_forward.";
        return weight.Role switch
        {
            WeightRole.Embedding => (Embedding, Split.Outputs),
            WeightRole.OutputHead => ("output.weight", Split.Outputs),
            WeightRole.FinalNorm => ("norm.weight", Split.None),
            WeightRole.AttentionNorm => (First(layer + "attention.wqkv.layer_norm_weight", layer + "attention_norm.weight"), Split.None),
            WeightRole.AttentionOutput => (layer + "attention.wo.weight", Split.Inputs),
            WeightRole.FeedForwardNorm => (First(forward + "norm.weight", forward + "mlp.layer_norm_weight", layer + "ffn_norm.weight"), Split.None),
            WeightRole.Down => (First(forward + "mlp.fc2_weight", forward + "w2.weight"), Split.Inputs),
            WeightRole.SharedGate => (First(forward + "w_in_shared_FD.weight", forward + "shared_expert.w1.weight"), Split.Outputs),
            WeightRole.SharedUp => (First(forward + "w_swiglu_FD.weight", forward + "shared_expert.w3.weight"), Split.Outputs),
            WeightRole.SharedDown => (First(forward + "w_out_shared_DF.weight", forward + "shared_expert.w2.weight"), Split.Inputs),
            _ => throw NoName(weight),
        };
    }

    private static (string Name, Split Split) VisionName(Weight weight)
    {
        string block = $"{Encoder}transformer.resblocks.{weight.Layer}.";
        return weight.Role switch
        {
            WeightRole.PatchEmbedding => (Encoder + "conv1._linear.weight", Split.Outputs),
            WeightRole.ClassEmbedding => (Encoder + "class_embedding", Split.None),
            WeightRole.Positions => (Encoder + "positional_embedding_vlm", Split.None),
            WeightRole.PreNorm => (Encoder + "ln_pre.weight", Split.None),
            WeightRole.PreNormBias => (Encoder + "ln_pre.bias", Split.None),
            WeightRole.PostNorm => (Encoder + "ln_post.weight", Split.None),
            WeightRole.PostNormBias => (Encoder + "ln_post.bias", Split.None),
            WeightRole.VisionAttentionNorm => (block + "ln_1.weight", Split.None),
            WeightRole.VisionAttentionNormBias => (block + "ln_1.bias", Split.None),
            WeightRole.VisionQuery => (block + "attn.wq.weight", Split.Outputs),
            WeightRole.VisionQueryBias => (block + "attn.wq.bias", Split.Outputs),
            WeightRole.VisionKey => (block + "attn.wk.weight", Split.Outputs),
            WeightRole.VisionKeyBias => (block + "attn.wk.bias", Split.Outputs),
            WeightRole.VisionValue => (block + "attn.wv.weight", Split.Outputs),
            WeightRole.VisionValueBias => (block + "attn.wv.bias", Split.Outputs),
            WeightRole.VisionOutput => (block + "attn.wo.weight", Split.Inputs),
            WeightRole.VisionOutputBias => (block + "attn.wo.bias", Split.None),
            WeightRole.VisionMlpNorm => (block + "ln_2.weight", Split.None),
            WeightRole.VisionMlpNormBias => (block + "ln_2.bias", Split.None),
            WeightRole.VisionFc1 => (block + "mlp.c_fc.weight", Split.Outputs),
            WeightRole.VisionFc1Bias => (block + "mlp.c_fc.bias", Split.Outputs),
            WeightRole.VisionFc2 => (block + "mlp.c_proj.weight", Split.Inputs),
            WeightRole.VisionFc2Bias => (block + "mlp.c_proj.bias", Split.None),
            WeightRole.AdapterFc1 => (Adapter + "c_fc.weight", Split.Outputs),
            WeightRole.AdapterFc2 => (Adapter + "c_proj.weight", Split.Inputs),
            WeightRole.Projector => (Projector + "weight", Split.Outputs),
            _ => throw NoName(weight),
        };
    }

    // What all ranks hold alike is taken from the first.
    private WeightParts Replicated(WeightPart part) => new([part with { Tensor = OfRank(part.Tensor, 0, ranks) }])
    {
        Copies = [.. Enumerable.Range(1, ranks - 1).Select(rank => OfRank(part.Tensor, rank, ranks))],
    };

    private WeightPart[] ByRank(string name, params long[] shape) =>
        [.. Enumerable.Range(0, ranks).Select(rank => WeightPart.Whole(OfRank(name, rank, ranks), false, shape))];

    private bool Has(string name) => source.TryGet(OfRank(name, 0, ranks), out _);

    // The first of the names that there is; the first of all if there is none.
    private string First(params string[] names) => Array.Find(names, Has) ?? names[0];

    private int Share(int extent) => extent / ranks;

    private enum Split
    {
        /// <summary>Every rank has the whole.</summary>
        None,

        /// <summary>A rank has a share of the output features.</summary>
        Outputs,

        /// <summary>A rank has a share of the input features.</summary>
        Inputs,
    }
}
