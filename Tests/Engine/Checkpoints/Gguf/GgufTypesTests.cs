using System.Runtime.InteropServices;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Quantization.Gguf;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Gguf;

/// <summary>The small checkpoint of the reference logits in the types that people download: they load, keep their size, and compute what their blocks stand for.</summary>
public sealed class GgufTypesTests : IDisposable
{
    private const int Tokens = 48, Referenced = 3;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>
    /// Against llama.cpp's float32 rows, as a share of their range, and against our own float32 over more positions. Rounded
    /// random weights flip routers, so the distances are large; those are twice what another engine has on the same weights.
    /// </summary>
    [Fact]
    public void TypesLoadAsTheyAreAtTheDistanceFromFloat32ThatIsTheirs()
    {
        float[] reference = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(GoldenFiles.Path("gguf", "tiny-F32-seed1.rows.f32")))[..(Referenced * TinyGguf.Vocabulary)].ToArray();
        float[] plain;
        using (Llama4Model model = Llama4Model.Load(Write("F32", 0, TinyGguf.Bytes)))
        {
            plain = Logits(model);
        }
        double before = 0;
        foreach ((string type, uint number, double ofRange, double most) in ((string, uint, double, double)[])[
            ("F16", 1, 1e-3, 0.006), ("BF16", 30, 1e-2, 0.42), ("Q8_0", 8, 2e-2, 0.76), ("Q4_0", 2, 0.25, 2.18), ("Q4_K", 12, 0.25, 2.24)])
        {
            string path = Write(type, number, values => GgufBlockEncoder.Encode(type, values));
            using Llama4Model model = Llama4Model.Load(path);
            float[] actual = Logits(model);
            double error = ReferenceMetrics.Relative(actual[..reference.Length], reference), distance = Math.Sqrt(actual.Zip(plain, (a, b) => ((double)a - b) * (a - b)).Average());
            TestContext.Current.TestOutputHelper?.WriteLine($"{type}: {error:E1} of the range, root mean square {distance:F4}, KL {ReferenceMetrics.MeanKl(actual, plain, TinyGguf.Vocabulary):F4}");
            Assert.True(error <= ofRange, $"{type}: {error:E2} of the range");
            Assert.True(distance > 0 && distance <= most && distance >= before / 4, $"{type}: {distance}, at most {most}; the finer type before it has {before}");
            before = distance;
            if (GgufBlockType.Find(type) is { } block)
            {
                Assert.Equal(block.Format, model.Text.Weights.Layers[0].Experts[0].Down.Format);
                using Checkpoint checkpoint = Checkpoint.Open(path);
                long stored = checkpoint.Tensors.Where(tensor => tensor.Name != "token_embd.weight").Sum(tensor => tensor.Bytes);
                Assert.True(model.WeightBytes <= 1.1 * stored, $"{model.WeightBytes} of {stored}");
            }
        }
    }

    [Fact]
    public void WhatIsStoredQuantisedIsNotQuantisedAgain()
    {
        string path = Write("Q8_0", 8, values => GgufBlockEncoder.Encode("Q8_0", values));
        using Llama4Model model = Llama4Model.Load(path, new ModelOptions { Weights = WeightScheme.Int4 });
        Assert.Equal("q8_0", model.Text.Weights.Layers[0].Experts[0].GateUp.Format.Name);
        Assert.Contains("stay as they are", Assert.Single(model.Config.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void TypesThatNeedTablesAreRefusedByName()
    {
        string path = Write("IQ2_XXS", 16, values => new byte[values.Length / 256 * 66]);
        Assert.Contains(
            "blk.0.attn_q.weight: is IQ2_XXS, a block type that this engine does not read; download the model in one of",
            Assert.Throws<ModelFormatException>(() => Checkpoint.Open(path)).Message, StringComparison.Ordinal);
    }

    private static float[] Logits(Llama4Model model) => ModelRunner.Run(model, TinyGguf.Tokens(Tokens), new RunOptions()).Logits;

    private string Write(string name, uint type, Func<float[], byte[]> encode)
    {
        string path = _folder.File($"{name}.gguf");
        TinyGguf.Write(path, type, encode, fileType: 0);
        return path;
    }
}
