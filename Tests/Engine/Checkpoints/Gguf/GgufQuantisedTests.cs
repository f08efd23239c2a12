using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Quantization.Gguf;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Gguf;

/// <summary>The file of the reference logits in other types: they load, keep their size, and compute what their blocks stand for.</summary>
public sealed class GgufQuantisedTests : IDisposable
{
    private static readonly int[] s_positions = [0, 1, 2];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("F16", 1, 1e-3)]
    [InlineData("BF16", 30, 1e-2)]
    [InlineData("Q8_0", 8, 2e-2)]
    [InlineData("Q4_0", 2, 0.25)]
    [InlineData("Q4_K", 12, 0.25)]
    public void Other_types_load_at_a_distance_from_float32(string type, uint id, double distance)
    {
        string path = Write(type, id, values => GgufBlockEncoder.Encode(type, values));
        float[] reference = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(GoldenFiles.Path("gguf", "tiny-F32-seed1.rows.f32")))[..(3 * TinyGguf.Vocabulary)].ToArray();
        using Llama4Model model = Llama4Model.Load(path);
        double error = Compare.RangeError(Logits(model), reference);
        Assert.True(error <= distance, $"{type}: {error:E2} of the range");
        if (GgufBlockType.Find(type) is { } block)
        {
            Assert.Equal(block.Format, model.Text.Weights.Layers[0].Experts[0].Down.Format);
            using Checkpoint checkpoint = Checkpoint.Open(path);
            long stored = checkpoint.Tensors.Where(tensor => tensor.Name != "token_embd.weight").Sum(tensor => tensor.Bytes);
            Assert.True(model.WeightBytes <= 1.1 * stored, $"{model.WeightBytes} of {stored}");
        }
    }

    [Fact]
    public void Blocks_compute_what_their_values_compute()
    {
        string blocks = Write("Q4_K", 12, values => GgufBlockEncoder.Encode("Q4_K", values));
        string plain = Write("F32", 0, values => TinyGguf.Bytes(Decoded("Q4_K", GgufBlockEncoder.Encode("Q4_K", values), values.Length)));
        using Llama4Model quantised = Llama4Model.Load(blocks), decoded = Llama4Model.Load(plain);
        double error = Compare.RangeError(Logits(quantised), Logits(decoded));
        Assert.True(error <= 1e-6, $"{error:E2}");
    }

    [Fact]
    public void What_is_stored_quantised_is_not_quantised_again()
    {
        string path = Write("Q8_0", 8, values => GgufBlockEncoder.Encode("Q8_0", values));
        using Llama4Model model = Llama4Model.Load(path, new ModelOptions { Weights = WeightScheme.Int4 });
        Assert.Equal("q8_0", model.Text.Weights.Layers[0].Experts[0].GateUp.Format.Name);
        Assert.Contains("stay as they are", Assert.Single(model.Config.Warnings), StringComparison.Ordinal);
    }

    private static float[] Logits(Llama4Model model) => ModelRunner.Run(model, TinyGguf.Tokens(3), new RunOptions { Positions = s_positions }).Logits;

    private static unsafe float[] Decoded(string type, byte[] bytes, int count)
    {
        float[] values = new float[count];
        fixed (byte* data = bytes)
        {
            new GgufMatrix((nint)data, GgufBlockType.Find(type)!, 1, count).ReadRow(0, values);
        }
        return values;
    }

    private string Write(string name, uint type, Func<float[], byte[]> encode)
    {
        string path = _folder.File($"{Guid.NewGuid():N}-{name}.gguf");
        TinyGguf.Write(path, type, encode, fileType: 0);
        return path;
    }
}
