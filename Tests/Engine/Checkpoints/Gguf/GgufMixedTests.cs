using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Quantization.Gguf;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Gguf;

/// <summary>
/// Files whose tensors have different types, as Q4_K_M, which most people have: value and down projections of some layers and the
/// head in Q6_K, all else in Q4_K. What is fused in memory then has parts of different types.
/// </summary>
public sealed class GgufMixedTests : IDisposable
{
    private static readonly int[] s_positions = [0, 1, 2];
    private static readonly Dictionary<string, uint> s_numbers = new() { ["Q4_0"] = 2, ["Q5_1"] = 7, ["Q8_0"] = 8, ["Q4_K"] = 12, ["Q6_K"] = 14 };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>How the tools mix: Q4_K_M, and one where gate and up of an expert differ, in either way of keeping experts.</summary>
    public static TheoryData<string, bool> Mixes { get; } = new() { { "Q4_K_M", false }, { "gate-up", false }, { "gate-up", true } };

    [Theory]
    [MemberData(nameof(Mixes))]
    public void WeightsAreTheStoredValuesBitForBitAndLogitsThoseOfTheDecodedFile(string mix, bool isSeparate)
    {
        string mixed = Write(mix, isSeparate), plain = WriteDecoded(mix, isSeparate);
        using (Checkpoint a = Checkpoint.Open(mixed), b = Checkpoint.Open(plain))
        {
            foreach (Weight weight in a.Weights.Weights)
            {
                float[] own = a.Weights.Values(weight), decoded = b.Weights.Values(b.Weights[weight.Role, weight.Layer, weight.Expert]);
                Assert.True(MemoryMarshal.AsBytes(own.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(decoded.AsSpan())), $"{weight}: other bits");
            }
        }
        using Llama4Model quantised = Llama4Model.Load(mixed), reference = Llama4Model.Load(plain);
        double error = ReferenceMetrics.Relative(Logits(quantised), Logits(reference));
        Assert.True(error <= 1e-6, $"{error:E2}");
        using Checkpoint checkpoint = Checkpoint.Open(mixed);
        long stored = checkpoint.Tensors.Where(tensor => tensor.Name != "token_embd.weight").Sum(tensor => tensor.Bytes);
        Assert.True(quantised.WeightBytes <= 1.1 * stored, $"{quantised.WeightBytes} of {stored}");
    }

    [Fact]
    public void PartsKeepTheirTypesLayerByLayer()
    {
        using Llama4Model model = Llama4Model.Load(Write("Q4_K_M", isSeparate: false));
        IReadOnlyList<LayerWeights> layers = model.Text.Weights.Layers;
        Assert.Equal("q4_k slabs32 + q6_k slabs32", layers[0].Qkv.Layout);
        Assert.Equal(("q4_k", "slabs32"), (layers[1].Qkv.Format.Name, layers[1].Qkv.Layout));
        Assert.Equal(["q6_k", "q4_k", "q4_k", "q6_k", "q4_k", "q4_k", "q6_k", "q6_k"], layers.Select(layer => layer.Experts[2].Down.Format.Name));
        Assert.All(layers, layer => Assert.Equal("q4_k", layer.Experts[0].GateUp.Format.Name));
        using Llama4Model other = Llama4Model.Load(Write("gate-up", isSeparate: true));
        Assert.Equal("q8_0 slabs32 + q4_0 slabs32", other.Text.Weights.Layers[0].Experts[3].GateUp.Layout);
    }

    /// <summary>On a device the same: every part keeps its type, experts of both kinds, the table too.</summary>
    [Theory]
    [InlineData("Q4_K_M")]
    [InlineData("gate-up")]
    public void ADeviceComputesTheProcessorsLogitsFromTheSameBits(string mix)
    {
        string path = Write(mix, isSeparate: false);
        using var driver = new EmulatedCudaDriver();
        using Llama4Model model = Llama4Model.Load(path), device = Llama4Model.Load(path, new ModelOptions { CreateBackend = () => EmulatedBackend.Create(driver) });
        Assert.Equal(mix == "Q4_K_M" ? "q4_k panels + q6_k panels" : "panels", device.Text.Weights.Layers[0].Qkv.Layout);
        Assert.Equal(mix == "Q4_K_M" ? "panels" : "q8_0 panels + q4_0 panels", device.Text.Weights.Layers[0].Experts[1].GateUp.Layout);
        double error = ReferenceMetrics.Relative(Logits(device), Logits(model));
        Assert.True(error <= 1e-5, $"{error:E2}");
        // Only routers differ: the processor pads their four rows.
        using Checkpoint checkpoint = Checkpoint.Open(path);
        long stored = checkpoint.Tensors.Where(tensor => tensor.Name != "token_embd.weight").Sum(tensor => tensor.Bytes);
        Assert.True(device.WeightBytes <= 1.1 * stored, $"{device.WeightBytes} of {stored}");
    }

    /// <summary>llama.cpp's rule for the layers that get more bits, for its file type Q4_K_M.</summary>
    private static string TypeOf(string mix, string name)
    {
        if (mix != "Q4_K_M")
        {
            return name.Contains("ffn_gate_exps", StringComparison.Ordinal) ? "Q8_0" : name.Contains("ffn_up_exps", StringComparison.Ordinal) ? "Q4_0"
                : name.Contains("ffn_up_shexp", StringComparison.Ordinal) ? "Q5_1" : "Q4_K";
        }
        if (!name.StartsWith("blk.", StringComparison.Ordinal))
        {
            return name == "output.weight" ? "Q6_K" : "Q4_K";
        }
        int layer = name[4] - '0', eighth = TinyGguf.Layers / 8;
        bool more = layer < eighth || layer >= 7 * eighth || (layer - eighth) % 3 == 2;
        return more && (name.Contains("attn_v", StringComparison.Ordinal) || name.Contains("ffn_down", StringComparison.Ordinal)) ? "Q6_K" : "Q4_K";
    }

    private static float[] Logits(Llama4Model model) => ModelRunner.Run(model, TinyGguf.Tokens(3), new RunOptions { Positions = s_positions }).Logits;

    private string Write(string mix, bool isSeparate)
    {
        string path = _folder.File($"{Guid.NewGuid():N}.gguf");
        TinyGguf.Write(path, name => (s_numbers[TypeOf(mix, name)], values => GgufBlockEncoder.Encode(TypeOf(mix, name), values)), isSeparate: isSeparate);
        return path;
    }

    private string WriteDecoded(string mix, bool isSeparate)
    {
        string path = _folder.File($"{Guid.NewGuid():N}.gguf");
        TinyGguf.Write(path, name => (0, values => TinyGguf.Bytes(Decode(TypeOf(mix, name), values))), isSeparate: isSeparate);
        return path;
    }

    /// <summary>The numbers that the blocks of a type stand for, by their definition.</summary>
    private static float[] Decode(string type, float[] values)
    {
        byte[] bytes = GgufBlockEncoder.Encode(type, values);
        GgufBlockType block = GgufBlockType.Find(type)!;
        float[] decoded = new float[values.Length];
        for (int i = 0; i < decoded.Length; i++)
        {
            decoded[i] = (float)GgufBlockOracle.Value(type, bytes.AsSpan(i / block.Columns * block.Bytes, block.Bytes), i % block.Columns);
        }
        return decoded;
    }
}
