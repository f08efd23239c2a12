using CsCheck;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Gguf;
using Llama4Kernels.Engine.Checkpoints.Meta;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Tests.Engine.Checkpoints.Gguf;
using Llama4Kernels.Tests.Engine.Checkpoints.Meta;

namespace Llama4Kernels.Tests.Engine.Checkpoints;

/// <summary>
/// Damaged files of all three formats: each opens or gets a typed error, and no reader allocates much more than the file has.
/// LLAMA4_FUZZ multiplies the number of files.
/// </summary>
public sealed class ReaderFuzzTests : IDisposable
{
    // What an error, its message and a few dictionaries take.
    private const long FixedBytes = 256 * 1024;
    private const int BytesPerByte = 64;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Gguf()
    {
        byte[] small = new GgufWriter().Text("general.architecture", "llama4").UInt("llama4.block_count", 2).Float("f", 1).Bool("b", true)
            .Texts("tokenizer.ggml.tokens", ["a", "b", "<|eot|>"]).Ints("tokenizer.ggml.token_type", [1, 1, 3]).Texts("tokenizer.ggml.merges", ["a b"]).UInt("general.alignment", 32)
            .Tensor("token_embd.weight", 0, [4, 2], new byte[32]).Tensor("blk.0.attn_q.weight", 8, [32, 2], new byte[68]).Tensor("rope_freqs.weight", 0, [2], new byte[8]).ToArray();
        byte[] front = FrontOfNano(["x"]);
        (long opened, long refused) = Run([small, front], 4000, path =>
        {
            using GgufModelScope scope = new(path);
            _ = scope.Model.Metadata.Keys.Count();
            _ = GgufTokenizer.Translate(scope.Model.Metadata);
            _ = GgufConfig.Translate(scope.Model);
        });
        Assert.True(refused > 100 && opened + refused > 1000);
    }

    /// <summary>A vision projector beside a sound model.</summary>
    [Fact]
    public void Projectors()
    {
        string model = _folder.Write("model.gguf", FrontOfNano(["<|image_start|>", "<|image_end|>", "<|patch|>"]));
        byte[] seed = new GgufWriter().Text("general.architecture", "clip").Text("clip.projector_type", "llama4").Bool("clip.use_gelu", true)
            .UInt("clip.vision.image_size", 28).UInt("clip.vision.patch_size", 14).UInt("clip.vision.embedding_length", 4).UInt("clip.vision.feed_forward_length", 16)
            .UInt("clip.vision.block_count", 1).UInt("clip.vision.attention.head_count", 1).Float("clip.vision.attention.layer_norm_epsilon", 1e-5f)
            .Floats("clip.vision.image_mean", [0.5f, 0.5f, 0.5f]).UInt("clip.vision.projector.scale_factor", 2)
            .Tensor("mm.model.mlp.2.weight", 0, [2, 2], new byte[16]).Tensor("v.class_embd", 0, [4], new byte[16]).ToArray();
        (long opened, long refused) = Run([seed], 2000, path =>
        {
            using GgufModelScope scope = new(model, path);
            _ = GgufConfig.Translate(scope.Model);
        });
        Assert.True(refused > 100 && opened > 10);
    }

    [Fact]
    public void Pickles()
    {
        var file = new PthWriter();
        int storage = file.Storage(new byte[48]);
        byte[] small = file.Tensor("a", storage, [4, 6], [6, 1]).Tensor("layers.0.attention.wo.weight", storage, [6, 4], [1, 6], 0).ToArray();
        byte[][] seeds = [small, .. Directory.GetFiles(GoldenFiles.Path("meta", "bad")).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];
        (long opened, long refused) = Run(seeds, 4000, path => MetaModel.Open(System.IO.Path.GetDirectoryName(path)!).Dispose(), "consolidated.00.pth");
        Assert.True(refused > 100 && opened > 10);
    }

    [Fact]
    public void PickleStreamsWithoutTheArchive()
    {
        var file = new PthWriter();
        int storage = file.Storage(new byte[48]);
        byte[] seed = file.Tensor("a", storage, [4, 6], [6, 1]).Pickle();
        long read = 0, refused = 0;
        Mutations(seed).Sample(
            bytes =>
            {
                try
                {
                    _ = PickleReader.Read("fuzz", bytes);
                    Interlocked.Increment(ref read);
                }
                catch (ModelFormatException e)
                {
                    Assert.Equal("fuzz", e.File);
                    Interlocked.Increment(ref refused);
                }
            },
            iter: Fuzzing.Iterations(20_000), threads: 1);
        Assert.True(read > 10 && refused > 1000, $"{read} {refused}");
    }

    [Fact]
    public void SafeTensors()
    {
        SafeTensorsWriter.Write(_folder.File("seed"), [TemporaryFolder.Zeros("a.weight", SafeTensorsType.F32, 2, 3), TemporaryFolder.Zeros("b", SafeTensorsType.BF16, 5), TemporaryFolder.Zeros("c", SafeTensorsType.F8_E4M3, 2, 2)], new Dictionary<string, string> { ["format"] = "pt" });
        (long opened, long refused) = Run([File.ReadAllBytes(_folder.File("seed"))], 4000, path => SafeTensorsFile.Open(path).Dispose());
        Assert.True(refused > 100 && opened > 10);
    }

    private (long Opened, long Refused) Run(byte[][] seeds, long byDefault, Action<string> open, string name = "fuzz")
    {
        long opened = 0, refused = 0;
        Gen.OneOf(Array.ConvertAll(seeds, Mutations)).Sample(
            bytes =>
            {
                string path = _folder.Write(name, bytes);
                long before = GC.GetAllocatedBytesForCurrentThread();
                try
                {
                    open(path);
                    opened++;
                }
                catch (ModelFormatException e)
                {
                    Assert.NotEmpty(e.Reason);
                    refused++;
                }
                long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
                Assert.True(allocated <= FixedBytes + (long)BytesPerByte * bytes.Length, $"{allocated} bytes for a file of {bytes.Length}");
            },
            iter: Fuzzing.Iterations(byDefault), threads: 1);
        return (opened, refused);
    }

    // Up to four edits: a bit, a byte, a number of eight bytes, a cut, a stretch twice.
    private static Gen<byte[]> Mutations(byte[] seed) =>
        Gen.Select(Gen.Int[0, 4], Gen.Int[0, Math.Max(0, seed.Length - 1)], Gen.ULong, Gen.Int[1, 40])
            .Array[0, 4]
            .Select(edits => edits.Aggregate(seed, (bytes, edit) => Edit(bytes, edit.Item1, edit.Item2, edit.Item3, edit.Item4)));

    private static byte[] Edit(byte[] bytes, int kind, int at, ulong number, int length)
    {
        if (bytes.Length == 0)
        {
            return bytes;
        }
        at %= bytes.Length;
        byte[] copy = [.. bytes];
        switch (kind)
        {
            case 0:
                copy[at] ^= (byte)(1 << (int)(number % 8));
                return copy;
            case 1:
                copy[at] = (byte)number;
                return copy;
            case 2:
                ulong value = (number % 4) switch { 0 => ulong.MaxValue, 1 => 1UL << 63, 2 => number, _ => number % 256 };
                BitConverter.GetBytes(value).AsSpan(0, Math.Min(8, copy.Length - at)).CopyTo(copy.AsSpan(at));
                return copy;
            case 3:
                return copy[..at];
            default:
                int end = Math.Min(copy.Length, at + length);
                return [.. copy[..end], .. copy[at..]];
        }
    }

    // The sample model's keys and descriptions, with a few tensors only, so that a file is small.
    private static byte[] FrontOfNano(string[] tokens) => new GgufWriter().Text("general.architecture", "llama4").UInt("llama4.block_count", 1).UInt("llama4.embedding_length", 8)
        .UInt("llama4.feed_forward_length", 16).UInt("llama4.attention.head_count", 2).UInt("llama4.attention.head_count_kv", 1).Float("llama4.attention.layer_norm_rms_epsilon", 1e-5f)
        .UInt("llama4.expert_count", 0).Text("tokenizer.ggml.model", "gpt2").Texts("tokenizer.ggml.tokens", tokens).Ints("tokenizer.ggml.token_type", [.. tokens.Select(_ => 1)]).Texts("tokenizer.ggml.merges", [])
        .Tensor("token_embd.weight", 0, [8, 1], new byte[32]).Tensor("rope_freqs.weight", 0, [2], [0, 0, 128, 63, 0, 0, 128, 65]).ToArray();

    private sealed class GgufModelScope(string path, string? projector = null) : IDisposable
    {
        public GgufModel Model { get; } = GgufModel.Open(path, projector);

        public void Dispose() => Model.Source.Dispose();
    }
}
