using System.Runtime.InteropServices;
using System.Text.Json;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Gguf;

/// <summary>How a file keeps routed experts.</summary>
internal enum ExpertForm
{
    Stacked,
    Fused,
    Separate,
}

/// <summary>The sample model as llama.cpp's converter writes it: a model's file and its vision projector's file.</summary>
internal sealed class NanoGguf : IDisposable
{
    private const uint F32 = 0, BF16 = 30;
    private const int Layers = 4, VisionLayers = 3, Hidden = 256, Width = 256, Experts = 4;

    private readonly SafeTensorsFile _file = SafeTensorsFile.Open(Path.Combine(GoldenFiles.SampleModel, "model.safetensors"));

    /// <summary>Chunk and temperature are not stored by the format; text goldens that need them do not apply.</summary>
    public GgufWriter Model(ExpertForm form = ExpertForm.Stacked, bool tied = false, string? without = null)
    {
        GgufWriter file = AddTensors(AddKeys(new GgufWriter { LeftOut = without }), form, tied);
        file.LeftOut = null;
        return file;
    }

    /// <summary>The model in parts, each with about as many tensors.</summary>
    public void WriteSplit(string folder, int parts, Func<int, GgufWriter, GgufWriter>? splitKeys = null)
    {
        List<(string Name, ulong[] Extents, uint Type, byte[] Data)> tensors = [];
        Collect(ExpertForm.Stacked, (name, type, extents, data) => tensors.Add((name, extents, type, data)));
        for (int part = 0; part < parts; part++)
        {
            GgufWriter file = part == 0 ? AddKeys(new GgufWriter()) : new GgufWriter();
            file = splitKeys is null
                ? file.UShort("split.no", (ushort)part).UShort("split.count", (ushort)parts).Int("split.tensors.count", tensors.Count)
                : splitKeys(part, file);
            int first = tensors.Count * part / parts, end = tensors.Count * (part + 1) / parts;
            foreach ((string name, ulong[] extents, uint type, byte[] data) in tensors[first..end])
            {
                file.Tensor(name, type, extents, data);
            }
            file.Write(Path.Combine(folder, $"nano-{part + 1:D5}-of-{parts:D5}.gguf"));
        }
    }

    public GgufWriter Projector(bool convolution = false, string? without = null)
    {
        GgufWriter file = new GgufWriter { LeftOut = without }
            .Text("general.architecture", "clip").Text("clip.projector_type", "llama4").Bool("clip.has_vision_encoder", true).Bool("clip.use_gelu", true)
            .UInt("clip.vision.image_size", 112).UInt("clip.vision.patch_size", 14).UInt("clip.vision.embedding_length", 176)
            .UInt("clip.vision.feed_forward_length", 704).UInt("clip.vision.block_count", VisionLayers).UInt("clip.vision.projection_dim", Hidden)
            .UInt("clip.vision.attention.head_count", 2).Float("clip.vision.attention.layer_norm_epsilon", 1e-5f)
            .UInt("clip.vision.projector.scale_factor", 2)
            .Floats("clip.vision.image_mean", [0.5f, 0.5f, 0.5f]).Floats("clip.vision.image_std", [0.5f, 0.5f, 0.5f]);
        const string V = "vision_model.";
        Add("v.class_embd", V + "class_embedding");
        file.Tensor("v.patch_embd.weight", BF16, convolution ? [14, 14, 3, 176] : [588, 176], Bits(V + "patch_embedding.linear.weight"));
        Add("v.position_embd.weight", V + "positional_embedding_vlm");
        Both("v.pre_ln", V + "layernorm_pre");
        Both("v.post_ln", V + "layernorm_post");
        for (int layer = 0; layer < VisionLayers; layer++)
        {
            string own = $"{V}model.layers.{layer}.", blk = $"v.blk.{layer}.";
            Both(blk + "attn_q", own + "self_attn.q_proj");
            Both(blk + "attn_k", own + "self_attn.k_proj");
            Both(blk + "attn_v", own + "self_attn.v_proj");
            Both(blk + "attn_out", own + "self_attn.o_proj");
            Both(blk + "ln1", own + "input_layernorm");
            Both(blk + "ln2", own + "post_attention_layernorm");
            Both(blk + "ffn_up", own + "mlp.fc1");
            Both(blk + "ffn_down", own + "mlp.fc2");
        }
        Add("mm.model.mlp.1.weight", V + "vision_adapter.mlp.fc1.weight");
        Add("mm.model.mlp.2.weight", V + "vision_adapter.mlp.fc2.weight");
        Add("mm.model.fc.weight", "multi_modal_projector.linear_1.weight");
        file.LeftOut = null;
        return file;

        void Both(string name, string source)
        {
            Add(name + ".weight", source + ".weight");
            Add(name + ".bias", source + ".bias");
        }

        void Add(string name, string source) => AddAs(file, name, source);
    }

    public void Dispose() => _file.Dispose();

    private static GgufWriter AddKeys(GgufWriter file)
    {
        using JsonDocument tokenizer = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(GoldenFiles.SampleModel, "tokenizer.json")));
        JsonElement model = tokenizer.RootElement.GetProperty("model");
        string[] tokens = new string[1536];
        int[] types = [.. Enumerable.Repeat(1, tokens.Length)];
        foreach (JsonProperty entry in model.GetProperty("vocab").EnumerateObject())
        {
            tokens[entry.Value.GetInt32()] = entry.Name;
        }
        foreach (JsonElement entry in tokenizer.RootElement.GetProperty("added_tokens").EnumerateArray())
        {
            tokens[entry.GetProperty("id").GetInt32()] = entry.GetProperty("content").GetString()!;
            types[entry.GetProperty("id").GetInt32()] = 3;
        }
        const string A = "llama4.";
        return file.Text("general.architecture", "llama4").UInt("general.file_type", 32)
            .UInt(A + "block_count", Layers).UInt(A + "context_length", 8192).UInt(A + "embedding_length", Hidden)
            .UInt(A + "feed_forward_length", 512).UInt(A + "expert_feed_forward_length", Width).UInt(A + "expert_count", Experts)
            .UInt(A + "expert_used_count", 1).UInt(A + "interleave_moe_layer_step", 1)
            .UInt(A + "attention.head_count", 4).UInt(A + "attention.head_count_kv", 2)
            .UInt(A + "attention.key_length", 64).UInt(A + "attention.value_length", 64)
            .Float(A + "attention.layer_norm_rms_epsilon", 1e-5f).Float(A + "rope.freq_base", 500000).UInt(A + "rope.dimension_count", 64)
            .UInt(A + "vocab_size", 1536)
            .Text("tokenizer.ggml.model", "gpt2").Text("tokenizer.ggml.pre", "llama4")
            .Texts("tokenizer.ggml.tokens", tokens).Ints("tokenizer.ggml.token_type", types)
            .Texts("tokenizer.ggml.merges", [.. model.GetProperty("merges").EnumerateArray().Select(pair => $"{pair[0].GetString()} {pair[1].GetString()}")])
            .UInt("tokenizer.ggml.bos_token_id", 1443).UInt("tokenizer.ggml.eos_token_id", 1451).UInt("tokenizer.ggml.padding_token_id", 1461)
            .Bool("tokenizer.ggml.add_bos_token", true).Text("tokenizer.chat_template", "{{ messages }}");
    }

    private GgufWriter AddTensors(GgufWriter file, ExpertForm form, bool tied)
    {
        Collect(form, (name, type, extents, data) =>
        {
            if (!(tied && name == "output.weight"))
            {
                file.Tensor(name, type, extents, data);
            }
        });
        return file;
    }

    private void Collect(ExpertForm form, Action<string, uint, ulong[], byte[]> add)
    {
        const string L = "language_model.";
        Add("token_embd.weight", L + "model.embed_tokens.weight");
        Add("output_norm.weight", L + "model.norm.weight");
        Add("output.weight", L + "lm_head.weight");
        // "llama3" scaling by 16, low = high = 1, original context 2048.
        float[] divisors = [.. Enumerable.Range(0, 32).Select(pair => 2 * Math.PI * Math.Pow(500000, pair / 32.0) < 2048 ? 1f : 16f)];
        add("rope_freqs.weight", F32, [32], TinyGguf.Bytes(divisors));
        for (int layer = 0; layer < Layers; layer++)
        {
            string own = $"{L}model.layers.{layer}.", forward = own + "feed_forward.", blk = $"blk.{layer}.";
            Add(blk + "attn_norm.weight", own + "input_layernorm.weight");
            Add(blk + "attn_q.weight", own + "self_attn.q_proj.weight");
            Add(blk + "attn_k.weight", own + "self_attn.k_proj.weight");
            Add(blk + "attn_v.weight", own + "self_attn.v_proj.weight");
            Add(blk + "attn_output.weight", own + "self_attn.o_proj.weight");
            Add(blk + "ffn_norm.weight", own + "post_attention_layernorm.weight");
            add(blk + "ffn_gate_inp.weight", F32, [Hidden, Experts], TinyGguf.Bytes(_file.ReadFloats(forward + "router.weight")));
            ushort[] gateUp = Half(forward + "experts.gate_up_proj"), down = Half(forward + "experts.down_proj");
            AddExperts(blk + "ffn_", form, gateUp, down);
            Add(blk + "ffn_gate_shexp.weight", forward + "shared_expert.gate_proj.weight");
            Add(blk + "ffn_up_shexp.weight", forward + "shared_expert.up_proj.weight");
            Add(blk + "ffn_down_shexp.weight", forward + "shared_expert.down_proj.weight");
        }

        void Add(string name, string source)
        {
            TensorInfo tensor = _file.Get(source);
            add(name, tensor.Shape.Count == 1 ? F32 : BF16, [.. tensor.Shape.Reverse().Select(extent => (ulong)extent)],
                tensor.Shape.Count == 1 ? TinyGguf.Bytes(_file.ReadFloats(source)) : Bits(source));
        }

        void AddExperts(string name, ExpertForm kind, ushort[] gateUp, ushort[] down)
        {
            byte[][] gate = [.. Enumerable.Range(0, Experts).Select(e => Transposed(gateUp, e, Hidden, 2 * Width, 0, Width))];
            byte[][] up = [.. Enumerable.Range(0, Experts).Select(e => Transposed(gateUp, e, Hidden, 2 * Width, Width, Width))];
            byte[][] back = [.. Enumerable.Range(0, Experts).Select(e => Transposed(down, e, Width, Hidden, 0, Hidden))];
            if (kind == ExpertForm.Separate)
            {
                for (int e = 0; e < Experts; e++)
                {
                    add($"{name}gate.{e}.weight", BF16, [Hidden, Width], gate[e]);
                    add($"{name}up.{e}.weight", BF16, [Hidden, Width], up[e]);
                    add($"{name}down.{e}.weight", BF16, [Width, Hidden], back[e]);
                }
                return;
            }
            if (kind == ExpertForm.Fused)
            {
                add(name + "gate_up_exps.weight", BF16, [Hidden, 2 * Width, Experts], [.. gate.Zip(up, (a, b) => (byte[])[.. a, .. b]).SelectMany(both => both)]);
            }
            else
            {
                add(name + "gate_exps.weight", BF16, [Hidden, Width, Experts], [.. gate.SelectMany(one => one)]);
                add(name + "up_exps.weight", BF16, [Hidden, Width, Experts], [.. up.SelectMany(one => one)]);
            }
            add(name + "down_exps.weight", BF16, [Width, Hidden, Experts], [.. back.SelectMany(one => one)]);
        }
    }

    // Columns of one expert of [experts, in, out] as rows [out, in].
    private static byte[] Transposed(ushort[] stacked, int expert, int inputs, int outputs, int first, int count)
    {
        ushort[] rows = new ushort[count * inputs];
        for (int o = 0; o < count; o++)
        {
            for (int i = 0; i < inputs; i++)
            {
                rows[o * inputs + i] = stacked[(expert * inputs + i) * outputs + first + o];
            }
        }
        return MemoryMarshal.AsBytes(rows.AsSpan()).ToArray();
    }

    private void AddAs(GgufWriter file, string name, string source)
    {
        TensorInfo tensor = _file.Get(source);
        bool vector = tensor.Shape.Count == 1;
        file.Tensor(name, vector ? F32 : BF16, [.. tensor.Shape.Reverse().Select(extent => (ulong)extent)], vector ? TinyGguf.Bytes(_file.ReadFloats(source)) : Bits(source));
    }

    private ushort[] Half(string name) => Array.ConvertAll(_file.ReadFloats(name), Bf16.FromSingle);

    private byte[] Bits(string name) => _file.ReadBytes(name);
}
