using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Meta;

/// <summary>
/// A small random model whose sizes divide by 1, 2, 3, 4, 6, 8, 12, 16, 24 and 48: a dense layer, a mixture layer, a vision tower.
/// Written unsplit in the published layout, and over any of so many ranks as Meta's files are (specification 2.3): the rules for
/// splitting are spelled here once more and share nothing with the reader.
/// </summary>
internal sealed class SplitModel
{
    private const int D = 48, Heads = 96, KvHeads = 48, HeadDim = 4, Dense = 96, F = 48, E = 3, V = 192;
    private const int VisionDim = 192, Mlp = 768, Adapter = 96;
    private const string L = "language_model.model.layers.", T = "vision_model.", Encoder = "vision_embeddings.vision_encoder.";

    private readonly Dictionary<string, (int Rows, int Columns, ushort[] Bits)> _matrices = [];
    private readonly Dictionary<string, long[]> _shapes = [];
    private readonly Random _random;

    public SplitModel(int seed)
    {
        _random = new Random(seed);
        Add("language_model.model.embed_tokens.weight", V, D);
        Add("language_model.lm_head.weight", V, D);
        Add("language_model.model.norm.weight", D);
        for (int layer = 0; layer < 2; layer++)
        {
            string own = $"{L}{layer}.";
            Add(own + "input_layernorm.weight", D);
            Add(own + "post_attention_layernorm.weight", D);
            Add(own + "self_attn.q_proj.weight", Heads * HeadDim, D);
            Add(own + "self_attn.k_proj.weight", KvHeads * HeadDim, D);
            Add(own + "self_attn.v_proj.weight", KvHeads * HeadDim, D);
            Add(own + "self_attn.o_proj.weight", D, Heads * HeadDim);
        }
        AddSwiGlu(L + "0.feed_forward.", Dense);
        AddSwiGlu(L + "1.feed_forward.shared_expert.", F);
        Add(L + "1.feed_forward.router.weight", E, D);
        Add(L + "1.feed_forward.experts.gate_up_proj", E, D, 2 * F);
        Add(L + "1.feed_forward.experts.down_proj", E, F, D);
        Add(T + "patch_embedding.linear.weight", VisionDim, 12);
        Add(T + "class_embedding", VisionDim);
        Add(T + "positional_embedding_vlm", 5, VisionDim);
        foreach (string norm in (string[])["layernorm_pre", "layernorm_post", "model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm"])
        {
            Add($"{T}{norm}.weight", VisionDim);
            Add($"{T}{norm}.bias", VisionDim);
        }
        foreach (char projection in "qkvo")
        {
            AddLinear($"{T}model.layers.0.self_attn.{projection}_proj", VisionDim, VisionDim);
        }
        AddLinear(T + "model.layers.0.mlp.fc1", Mlp, VisionDim);
        AddLinear(T + "model.layers.0.mlp.fc2", VisionDim, Mlp);
        Add(T + "vision_adapter.mlp.fc1.weight", Adapter, Mlp);
        Add(T + "vision_adapter.mlp.fc2.weight", Adapter, Adapter);
        Add("multi_modal_projector.linear_1.weight", D, Adapter);
    }

    /// <summary>The unsplit model.</summary>
    public void WritePublished(TemporaryFolder folder)
    {
        SafeTensorsWriter.Write(folder.File("model.safetensors"), _matrices.Select(tensor =>
            SafeTensorsEntry.FromBytes(tensor.Key, SafeTensorsType.BF16, _shapes[tensor.Key], MemoryMarshal.AsBytes(tensor.Value.Bits.AsSpan()).ToArray())));
        folder.Write("config.json", $$"""
            {"model_type": "llama4", "boi_token_index": 180, "eoi_token_index": 181, "image_token_index": 182,
             "text_config": {"model_type": "llama4_text", "hidden_size": {{D}}, "num_hidden_layers": 2, "num_attention_heads": {{Heads}},
              "num_key_value_heads": {{KvHeads}}, "head_dim": {{HeadDim}}, "intermediate_size": {{F}}, "intermediate_size_mlp": {{Dense}},
              "vocab_size": {{V}}, "num_local_experts": {{E}}, "num_experts_per_tok": 1, "interleave_moe_layer_step": 2, "bos_token_id": 1, "eos_token_id": 2},
             "vision_config": {"hidden_size": {{VisionDim}}, "num_hidden_layers": 1, "num_attention_heads": 48, "intermediate_size": {{Mlp}}, "image_size": 4,
              "patch_size": 2, "num_channels": 3, "pixel_shuffle_ratio": 0.5, "projector_input_dim": {{Adapter}}, "projector_output_dim": {{Adapter}}, "vision_output_dim": {{Adapter}} } }
            """);
    }

    /// <summary>params.json and a file for each rank.</summary>
    public void WriteMeta(TemporaryFolder folder, int ranks, string storage = "BFloat16Storage")
    {
        WriteParameters(folder);
        for (int rank = 0; rank < ranks; rank++)
        {
            WriteRank(folder.File($"consolidated.{rank:D2}.pth"), rank, ranks, storage: _ => storage);
        }
    }

    private static void WriteParameters(TemporaryFolder folder) => folder.Write("params.json", $$"""
        {"dim": {{D}}, "n_layers": 2, "n_heads": {{Heads}}, "n_kv_heads": {{KvHeads}}, "head_dim": {{HeadDim}}, "vocab_size": {{V}}, "multiple_of": 48,
         "ffn_dim_multiplier": 0.75, "ffn_exp": 4, "norm_eps": 1e-05, "rope_theta": 500000, "nope_layer_interval": 4, "attention_chunk_size": 8192,
         "moe_args": {"num_experts": {{E}}, "interleave_moe_layer_step": 2},
         "vision_args": {"image_size": {"height": 4, "width": 4}, "patch_size": {"height": 2, "width": 2}, "dim": {{VisionDim}}, "n_layers": 1, "n_heads": 48, "mlp_ratio": 4, "output_dim": {{Adapter}} } }
        """);

    /// <summary>One rank's file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="rank">Which rank.</param>
    /// <param name="ranks">Of how many.</param>
    /// <param name="change">Another name for a tensor, or null to leave it out.</param>
    /// <param name="storage">The class of a tensor's storage; bfloat16 if not given. A half is what is next to the number.</param>
    public void WriteRank(string path, int rank, int ranks, Func<string, string?>? change = null, Func<string, string>? storage = null)
    {
        var file = new PthWriter();
        foreach ((string name, long[] shape, ushort[] bits) in Rank(rank, ranks))
        {
            if ((change is null ? name : change(name)) is not string written)
            {
                continue;
            }
            long[] strides = [.. shape.Select((_, axis) => shape.Skip(axis + 1).Aggregate(1L, (a, b) => a * b))];
            string type = storage?.Invoke(name) ?? "BFloat16Storage";
            float[] values = Array.ConvertAll(bits, value => BitConverter.UInt32BitsToSingle((uint)value << 16));
            byte[] bytes = type switch
            {
                "FloatStorage" => MemoryMarshal.AsBytes(values.AsSpan()).ToArray(),
                "HalfStorage" => MemoryMarshal.AsBytes(Array.ConvertAll(values, value => (Half)value).AsSpan()).ToArray(),
                _ => MemoryMarshal.AsBytes(bits.AsSpan()).ToArray(),
            };
            file.Tensor(written, file.Storage(bytes, type, type == "FloatStorage" ? 4 : 2), shape, strides);
        }
        File.WriteAllBytes(path, file.ToArray());
    }

    /// <summary>What a rank holds: the table of the specification.</summary>
    private IEnumerable<(string Name, long[] Shape, ushort[] Bits)> Rank(int rank, int ranks)
    {
        yield return Tensor("tok_embeddings.weight", Rows("language_model.model.embed_tokens.weight"));
        yield return Tensor("output.weight", Rows("language_model.lm_head.weight"));
        yield return Vector("norm.weight", "language_model.model.norm.weight");
        for (int layer = 0; layer < 2; layer++)
        {
            string own = $"{L}{layer}.", meta = $"layers.{layer}.";
            yield return Tensor(meta + "attention.wqkv.weight", Below(Rows(own + "self_attn.q_proj.weight"), Rows(own + "self_attn.k_proj.weight"), Rows(own + "self_attn.v_proj.weight")));
            yield return Vector(meta + "attention.wqkv.layer_norm_weight", own + "input_layernorm.weight");
            yield return Tensor(meta + "attention.wo.weight", Columns(own + "self_attn.o_proj.weight"));
            yield return Vector(meta + (layer == 0 ? "feed_forward.mlp.layer_norm_weight" : "feed_forward.norm.weight"), own + "post_attention_layernorm.weight");
        }
        const string Forward = L + "0.feed_forward.", Mixture = L + "1.feed_forward.", Meta = "layers.1.feed_forward.";
        yield return Tensor("layers.0.feed_forward.mlp.fc1_weight", Below(Rows(Forward + "gate_proj.weight"), Rows(Forward + "up_proj.weight")));
        yield return Tensor("layers.0.feed_forward.mlp.fc2_weight", Columns(Forward + "down_proj.weight"));
        yield return Tensor(Meta + "router_DE", Transposed(_matrices[Mixture + "router.weight"]));
        (int _, int _, ushort[] gateUp) = _matrices[Mixture + "experts.gate_up_proj"];
        int share = F / ranks;
        yield return Tensor(Meta + "experts.moe_w_in_eD_F", Cut((E * D, 2 * F, gateUp), 0, E * D, rank * share, share));
        yield return Tensor(Meta + "experts.moe_w_swiglu_eD_F", Cut((E * D, 2 * F, gateUp), 0, E * D, F + rank * share, share));
        yield return Tensor(Meta + "experts.moe_w_out_eF_D", Below([.. Enumerable.Range(0, E).Select(expert =>
            Cut(_matrices[Mixture + "experts.down_proj"], expert * F + rank * share, share, 0, D))]));
        yield return Tensor(Meta + "w_in_shared_FD.weight", Rows(Mixture + "shared_expert.gate_proj.weight"));
        yield return Tensor(Meta + "w_swiglu_FD.weight", Rows(Mixture + "shared_expert.up_proj.weight"));
        yield return Tensor(Meta + "w_out_shared_DF.weight", Columns(Mixture + "shared_expert.down_proj.weight"));
        yield return (Meta + "global_gate_stats_3E", [3, E], new ushort[3 * E]);
        yield return Tensor(Encoder + "conv1._linear.weight", Rows(T + "patch_embedding.linear.weight"));
        yield return Vector(Encoder + "class_embedding", T + "class_embedding");
        yield return Tensor(Encoder + "positional_embedding_vlm", _matrices[T + "positional_embedding_vlm"]);
        const string Block = Encoder + "transformer.resblocks.0.", Layer = T + "model.layers.0.";
        foreach ((string meta, string own) in ((string, string)[])[
            (Encoder + "ln_pre", T + "layernorm_pre"), (Encoder + "ln_post", T + "layernorm_post"), (Block + "ln_1", Layer + "input_layernorm"), (Block + "ln_2", Layer + "post_attention_layernorm")])
        {
            yield return Vector(meta + ".weight", own + ".weight");
            yield return Vector(meta + ".bias", own + ".bias");
        }
        foreach ((string meta, string own) in ((string, string)[])[("attn.wq", "self_attn.q_proj"), ("attn.wk", "self_attn.k_proj"), ("attn.wv", "self_attn.v_proj"), ("mlp.c_fc", "mlp.fc1")])
        {
            yield return Tensor($"{Block}{meta}.weight", Rows($"{Layer}{own}.weight"));
            (int _, int _, ushort[] bias) = _matrices[$"{Layer}{own}.bias"];
            int length = bias.Length / ranks;
            yield return ($"{Block}{meta}.bias", [length], bias[(rank * length)..((rank + 1) * length)]);
        }
        foreach ((string meta, string own) in ((string, string)[])[("attn.wo", "self_attn.o_proj"), ("mlp.c_proj", "mlp.fc2")])
        {
            yield return Tensor($"{Block}{meta}.weight", Columns($"{Layer}{own}.weight"));
            yield return Vector($"{Block}{meta}.bias", $"{Layer}{own}.bias");
        }
        yield return Tensor("vision_embeddings.vision_adapter.mlp.c_fc.weight", Rows(T + "vision_adapter.mlp.fc1.weight"));
        yield return Tensor("vision_embeddings.vision_adapter.mlp.c_proj.weight", Columns(T + "vision_adapter.mlp.fc2.weight"));
        yield return Tensor("vision_projection.weight", Rows("multi_modal_projector.linear_1.weight"));

        (int, int, ushort[]) Rows(string name) => _matrices[name] is var whole ? Cut(whole, rank * whole.Rows / ranks, whole.Rows / ranks, 0, whole.Columns) : default;

        (int, int, ushort[]) Columns(string name) => _matrices[name] is var whole ? Cut(whole, 0, whole.Rows, rank * whole.Columns / ranks, whole.Columns / ranks) : default;

        (string, long[], ushort[]) Vector(string name, string own) => (name, [_matrices[own].Columns], _matrices[own].Bits);

        static (string, long[], ushort[]) Tensor(string name, (int Rows, int Columns, ushort[] Bits) matrix) => (name, [matrix.Rows, matrix.Columns], matrix.Bits);
    }

    private static (int Rows, int Columns, ushort[] Bits) Cut((int Rows, int Columns, ushort[] Bits) whole, int row, int rows, int column, int columns) =>
        (rows, columns, [.. Enumerable.Range(row, rows).SelectMany(r => whole.Bits.Skip(r * whole.Columns + column).Take(columns))]);

    private static (int Rows, int Columns, ushort[] Bits) Below(params (int Rows, int Columns, ushort[] Bits)[] parts) =>
        (parts.Sum(part => part.Rows), parts[0].Columns, [.. parts.SelectMany(part => part.Bits)]);

    private static (int Rows, int Columns, ushort[] Bits) Transposed((int Rows, int Columns, ushort[] Bits) m) =>
        (m.Columns, m.Rows, [.. Enumerable.Range(0, m.Columns).SelectMany(column => Enumerable.Range(0, m.Rows).Select(row => m.Bits[row * m.Columns + column]))]);

    private void AddSwiGlu(string name, int width)
    {
        Add(name + "gate_proj.weight", width, D);
        Add(name + "up_proj.weight", width, D);
        Add(name + "down_proj.weight", D, width);
    }

    private void AddLinear(string name, int outputs, int inputs)
    {
        Add(name + ".weight", outputs, inputs);
        Add(name + ".bias", outputs);
    }

    // Any finite bits; what has three dimensions counts as a matrix of its last.
    private void Add(string name, params long[] shape)
    {
        int columns = (int)shape[^1], rows = (int)shape.SkipLast(1).Aggregate(1L, (a, b) => a * b);
        ushort[] bits = [.. Enumerable.Range(0, rows * columns).Select(_ => (ushort)(_random.Next(0x4000) | (_random.Next(2) << 15)))];
        (_matrices[name], _shapes[name]) = ((rows, columns, bits), shape);
    }
}
