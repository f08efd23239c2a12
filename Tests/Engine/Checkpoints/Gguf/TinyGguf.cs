using System.Runtime.InteropServices;
using System.Text;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Gguf;

/// <summary>
/// The small checkpoint of which the reference logits in golden/gguf are: every weight is a function of the seed, the tensor's
/// name and the element's number. Shapes of Scout: all layers with experts, three rotary ones and one without.
/// </summary>
internal static class TinyGguf
{
    public const int Hidden = 256, Layers = 8, Heads = 4, KvHeads = 2, HeadSize = 64, Vocabulary = 2048, Experts = 4, Width = 512, DenseWidth = 1024;
    private const uint Seed = 1;
    private const uint F32 = 0;

    /// <summary>Writes it with matrices of a type.</summary>
    /// <param name="path">The file.</param>
    /// <param name="type">Number of the matrices' element type; norms and routers stay float32.</param>
    /// <param name="encode">Turns values into that type's bytes.</param>
    /// <param name="fileType">What general.file_type says.</param>
    public static void Write(string path, uint type, Func<float[], byte[]> encode, uint fileType) => Write(path, _ => (type, encode), fileType);

    /// <summary>Writes it with matrices each of a type of its own.</summary>
    /// <param name="path">The file.</param>
    /// <param name="typeOf">Number and encoder of the type of a tensor's name.</param>
    /// <param name="fileType">What general.file_type says.</param>
    /// <param name="isSeparate">Experts are tensors of their own.</param>
    public static void Write(string path, Func<string, (uint Number, Func<float[], byte[]> Encode)> typeOf, uint fileType = 0, bool isSeparate = false)
    {
        var file = new GgufWriter();
        AddKeys(file, fileType);
        Matrix("token_embd.weight", 1f, Hidden, Vocabulary, fanIn: false);
        Norm("output_norm.weight");
        Matrix("output.weight", 2f, Hidden, Vocabulary);
        file.Tensor("rope_freqs.weight", F32, [HeadSize / 2], () => Bytes(Divisors()));
        for (int layer = 0; layer < Layers; layer++)
        {
            string b = $"blk.{layer}.";
            Norm(b + "attn_norm.weight");
            Matrix(b + "attn_q.weight", 1.5f, Hidden, Heads * HeadSize);
            Matrix(b + "attn_k.weight", 1.5f, Hidden, KvHeads * HeadSize);
            Matrix(b + "attn_v.weight", 1f, Hidden, KvHeads * HeadSize);
            Matrix(b + "attn_output.weight", 1f, Heads * HeadSize, Hidden);
            Norm(b + "ffn_norm.weight");
            float amplitude = 2f * MathF.Sqrt(3f / Hidden);
            string router = b + "ffn_gate_inp.weight";
            file.Tensor(router, F32, [Hidden, Experts], () => Bytes(Values(router, Hidden * Experts, amplitude, 0)));
            Matrix(b + "ffn_gate_exps.weight", 1f, Hidden, Width, Experts);
            Matrix(b + "ffn_down_exps.weight", 1f, Width, Hidden, Experts);
            Matrix(b + "ffn_up_exps.weight", 1f, Hidden, Width, Experts);
            Matrix(b + "ffn_gate_shexp.weight", 1f, Hidden, Width);
            Matrix(b + "ffn_down_shexp.weight", 1f, Width, Hidden);
            Matrix(b + "ffn_up_shexp.weight", 1f, Hidden, Width);
        }
        file.Write(path);

        void Norm(string name) => file.Tensor(name, F32, [Hidden], () => Bytes(Values(name, Hidden, 0.2f, 1)));

        void Matrix(string name, float gain, int inputs, int outputs, int stacked = 1, bool fanIn = true)
        {
            (uint type, Func<float[], byte[]> encode) = typeOf(name);
            float amplitude = fanIn ? gain * MathF.Sqrt(3f / inputs) : gain;
            if (stacked == 1 || !isSeparate)
            {
                file.Tensor(
                    name, type, stacked == 1 ? [(ulong)inputs, (ulong)outputs] : [(ulong)inputs, (ulong)outputs, (ulong)stacked],
                    () => encode(Values(name, inputs * outputs * stacked, amplitude, 0)));
                return;
            }
            for (int expert = 0; expert < stacked; expert++)
            {
                Range own = (expert * inputs * outputs)..((expert + 1) * inputs * outputs);
                file.Tensor(name.Replace("_exps", $".{expert}", StringComparison.Ordinal), type, [(ulong)inputs, (ulong)outputs], () => encode(Values(name, inputs * outputs * stacked, amplitude, 0)[own]));
            }
        }
    }

    /// <summary>The little-endian bytes of float32 numbers.</summary>
    public static byte[] Bytes(float[] values) => MemoryMarshal.AsBytes(values.AsSpan()).ToArray();

    /// <summary>The token sequence of the reference: hashes of the positions, begun by the first token of a text.</summary>
    public static int[] Tokens(int count, uint seed = 11)
    {
        int[] ids = [.. Enumerable.Range(0, count).Select(i => (int)(Mix((uint)i ^ Mix(seed)) % (Vocabulary - 16)))];
        ids[0] = Vocabulary - 8;
        return ids;
    }

    private static void AddKeys(GgufWriter file, uint fileType)
    {
        const string A = "llama4";
        file.Text("general.architecture", A)
            .Text("general.name", $"synthetic tiny seed {Seed}")
            .UInt("general.file_type", fileType)
            .UInt("general.quantization_version", 2)
            .UInt(A + ".block_count", Layers)
            .UInt(A + ".context_length", 262144)
            .UInt(A + ".embedding_length", Hidden)
            .UInt(A + ".feed_forward_length", DenseWidth)
            .UInt(A + ".attention.head_count", Heads)
            .UInt(A + ".attention.head_count_kv", KvHeads)
            .UInt(A + ".attention.key_length", HeadSize)
            .UInt(A + ".attention.value_length", HeadSize)
            .Float(A + ".attention.layer_norm_rms_epsilon", 1e-5f)
            .UInt(A + ".rope.dimension_count", HeadSize)
            .Float(A + ".rope.freq_base", 500000f)
            .UInt(A + ".vocab_size", Vocabulary)
            .UInt(A + ".expert_count", Experts)
            .UInt(A + ".expert_used_count", 1)
            .UInt(A + ".expert_feed_forward_length", Width)
            .UInt(A + ".interleave_moe_layer_step", 1);
        (List<string> tokens, List<int> types, List<string> merges) = Tokenizer();
        file.Text("tokenizer.ggml.model", "gpt2")
            .Text("tokenizer.ggml.pre", A)
            .Texts("tokenizer.ggml.tokens", tokens)
            .Ints("tokenizer.ggml.token_type", types)
            .Texts("tokenizer.ggml.merges", merges)
            .UInt("tokenizer.ggml.bos_token_id", Vocabulary - 8)
            .UInt("tokenizer.ggml.eos_token_id", Vocabulary - 3)
            .Bool("tokenizer.ggml.add_bos_token", true);
    }

    // The 256 bytes, pairs of a blank or a letter with a letter, unused ids, and eight control tokens at the end.
    private static (List<string> Tokens, List<int> Types, List<string> Merges) Tokenizer()
    {
        List<string> tokens = [], merges = [];
        char space = '\0';
        int next = 256;
        for (int value = 0; value < 256; value++)
        {
            bool visible = value is (>= 33 and <= 126) or (>= 161 and <= 172) or (>= 174 and <= 255);
            char symbol = (char)(visible ? value : next++);
            space = value == ' ' ? symbol : space;
            tokens.Add(symbol.ToString());
        }
        foreach (char first in space + "abcdefghijklmnopqrstuvwxyz")
        {
            for (char second = 'a'; second <= 'z' && tokens.Count < Vocabulary - 16; second++)
            {
                tokens.Add($"{first}{second}");
                merges.Add($"{first} {second}");
            }
        }
        List<int> types = [.. Enumerable.Repeat(1, tokens.Count)];
        for (int unused = 0; tokens.Count < Vocabulary - 8; unused++)
        {
            tokens.Add($"<|filler_{unused}|>");
            types.Add(5);
        }
        string[] controls = ["<|begin_of_text|>", "<|end_of_text|>", "<|header_start|>", "<|header_end|>", "<|eom|>", "<|eot|>", "<|step|>", "<|finetune_right_pad|>"];
        tokens.AddRange(controls);
        types.AddRange(Enumerable.Repeat(3, controls.Length));
        return (tokens, types, merges);
    }

    // "llama3" scaling with low = high = 1 and the original context 8192.
    private static float[] Divisors() => [.. Enumerable.Range(0, HeadSize / 2)
        .Select(pair => 2 * Math.PI * Math.Pow(500000, 2.0 * pair / HeadSize) < 8192 ? 1f : 16f)];

    // mean + amplitude · u, u the top 24 bits of a hash scaled to [−1, 1), all in float32.
    private static float[] Values(string name, int count, float amplitude, float mean)
    {
        uint key = 2166136261u ^ (Seed * 0x9E3779B1u);
        foreach (byte value in Encoding.UTF8.GetBytes(name))
        {
            key = (key ^ value) * 16777619u;
        }
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
        {
            float unit = (float)(int)(Mix(Mix((uint)i) ^ key) >> 8) * (1f / 8388608f) - 1f;
            values[i] = mean + amplitude * unit;
        }
        return values;
    }

    private static uint Mix(uint x)
    {
        x = (x ^ (x >> 16)) * 0x7feb352du;
        x = (x ^ (x >> 15)) * 0x846ca68bu;
        return x ^ (x >> 16);
    }
}
