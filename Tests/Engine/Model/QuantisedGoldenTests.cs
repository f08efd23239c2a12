using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;
using Llama4Kernels.Tests.Kernels.Quantization;

namespace Llama4Kernels.Tests.Engine.Model;

/// <summary>Quantised models against the reference's logits, codes, scales and feed-forward blocks, on both backends.</summary>
[Collection(nameof(ModelCollection))]
public sealed class QuantisedGoldenTests(ModelFixture models) : IDisposable
{
    private readonly EmulatedCudaDriver _driver = new(new EmulatedDriverOptions { DeferWork = true });
    private readonly List<Llama4Model> _onDevice = [];

    public void Dispose()
    {
        foreach (Llama4Model model in _onDevice)
        {
            model.Dispose();
        }
        _driver.Dispose();
    }

    [Theory]
    [InlineData("tiny-scout", "int4", WeightScheme.Int4, false)]
    [InlineData("tiny-flat", "int4", WeightScheme.Int4, false)]
    [InlineData("tiny-fp8", "fp8", WeightScheme.Stored, false)]
    [InlineData("tiny-scout", "int4", WeightScheme.Int4, true)]
    [InlineData("tiny-flat", "int4", WeightScheme.Int4, true)]
    [InlineData("tiny-fp8", "fp8", WeightScheme.Stored, true)]
    public void LogitsEqualTheReference(string name, string file, WeightScheme weights, bool onDevice)
    {
        Llama4Model model = Load(name, weights, onDevice);
        using var golden = References.Open(name, file);
        References.Check(model, golden, capture: false);
    }

    [Theory]
    [InlineData("tiny-scout", 0)]
    [InlineData("tiny-flat", 1)]
    public void Int4CodesAndScalesEqualTheReference(string name, int layer)
    {
        LayerWeights w = models.Get(name, new ModelOptions { Weights = WeightScheme.Int4 }).Text.Weights.Layers[layer];
        using SafeTensorsFile file = SafeTensorsFile.Open(GoldenFiles.Path(name, "golden", "int4.safetensors"));
        CheckInt4(file, "experts.gate_up", [.. w.Experts.Select(e => (PackedMatrix)e.GateUp)]);
        CheckInt4(file, "experts.down", [.. w.Experts.Select(e => (PackedMatrix)e.Down)]);
        CheckInt4(file, "shared.down_proj", [(PackedMatrix)w.FeedForward.Down]);
    }

    [Theory]
    [InlineData("tiny-scout", 0)]
    [InlineData("tiny-flat", 1)]
    public void Int4CodesAndScalesOnTheDeviceEqualTheReference(string name, int layer)
    {
        Llama4Model model = Load(name, WeightScheme.Int4, onDevice: true);
        LayerWeights w = model.Text.Weights.Layers[layer];
        using SafeTensorsFile file = SafeTensorsFile.Open(GoldenFiles.Path(name, "golden", "int4.safetensors"));
        CheckOnDevice(model.Backend, file, "experts.gate_up", [.. w.Experts.Select(e => (CudaMatrix)e.GateUp)]);
        CheckOnDevice(model.Backend, file, "experts.down", [.. w.Experts.Select(e => (CudaMatrix)e.Down)]);
        CheckOnDevice(model.Backend, file, "shared.down_proj", [(CudaMatrix)w.FeedForward.Down]);
    }

    [Theory]
    [InlineData("tiny-scout", "fp8-mixed", new[] { 1, 2, 3 }, false)]
    [InlineData("tiny-flat", "fp8-mixed", new[] { 1, 2 }, false)]
    [InlineData("tiny-fp8", "fp8", new[] { 1, 3 }, false)]
    [InlineData("tiny-scout", "fp8-mixed", new[] { 1, 2, 3 }, true)]
    [InlineData("tiny-flat", "fp8-mixed", new[] { 1, 2 }, true)]
    [InlineData("tiny-fp8", "fp8", new[] { 1, 3 }, true)]
    public void Fp8BlocksEqualTheReference(string name, string file, int[] layers, bool onDevice)
    {
        Llama4Model model = Load(name, WeightScheme.Fp8, onDevice);
        using var golden = References.Open(name, file);
        foreach (int layer in layers)
        {
            LayerWeights w = model.Text.Weights.Layers[layer];
            Assert.All(w.Experts, e => Assert.True(e.GateUp.Format.QuantisesActivations && e.Down.Format.QuantisesActivations));
            float[] input = golden.Floats($"moe.{layer}.input"), expected = golden.Floats($"moe.{layer}.output");
            int d = model.Config.Text.HiddenSize, rows = input.Length / d;
            float[] output = Block(model.Backend, w, input, rows, d, golden.Integers($"moe.{layer}.experts"));
            float range = expected.Max() - expected.Min();
            double[] errors = [.. Enumerable.Range(0, rows).Select(r => (double)Enumerable.Range(r * d, d).Max(i => Math.Abs(output[i] - expected[i])) / range)];
            Assert.True(errors.Max() <= 2e-3, $"layer {layer}: {errors.Max():E2}");
            Assert.True(errors.Count(e => e <= 1e-4) >= 0.95 * rows, $"layer {layer}: {errors.Count(e => e > 1e-4)} of {rows} rows beyond 1e-4");
        }
    }

    [Fact]
    public void FirstAndLastLayerStayUnquantisedInFp8()
    {
        LayerWeights[] layers = models.Get("tiny-scout", new ModelOptions { Weights = WeightScheme.Fp8 }).Text.Weights.Layers;
        Assert.All((LayerWeights[])[layers[0], layers[^1]], layer => Assert.All(layer.Experts, e => Assert.Equal(ScaleKind.None, e.GateUp.Format.Scale)));
        Assert.All(layers, layer => Assert.Equal(ScaleKind.None, layer.FeedForward.GateUp.Format.Scale));
    }

    private Llama4Model Load(string name, WeightScheme weights, bool onDevice)
    {
        if (!onDevice)
        {
            return models.Get(name, new ModelOptions { Weights = weights });
        }
        var model = Llama4Model.Load(ModelFixture.Folder(name), new ModelOptions { Weights = weights, CreateBackend = () => EmulatedBackend.Create(_driver) });
        _onDevice.Add(model);
        return model;
    }

    private static void CheckOnDevice(IBackend backend, SafeTensorsFile file, string name, CudaMatrix[] matrices)
    {
        byte[] codes = [.. file.ReadBytes(name + ".codes")];
        float[] scales = file.ReadFloats(name + ".scales");
        int at = 0, group = 0;
        foreach (CudaMatrix m in matrices)
        {
            float[] words = new float[m.Stack.MatrixBytes / sizeof(float)];
            float[] factors = new float[m.Stack.ScaleBytes / sizeof(float)];
            backend.Download(new Tensor(m.Address, 1, words.Length, ElementType.F32, MemoryPlace.Device), words);
            backend.Download(new Tensor(m.Scales, 1, factors.Length, ElementType.F32, MemoryPlace.Device), factors);
            byte[] mine = MemoryMarshal.AsBytes(words.AsSpan()).ToArray();
            Assert.Equal(codes[at..(at + mine.Length)], mine);
            Assert.Equal(scales[group..(group + factors.Length)], factors);
            at += mine.Length;
            group += factors.Length;
        }
        Assert.Equal((codes.Length, scales.Length), (at, group));
    }

    private static float[] Block(IBackend backend, LayerWeights w, float[] input, int rows, int d, int[] experts)
    {
        var plan = new ArenaPlan((rows, d), (rows, d), (rows, 2 * w.FeedForward.Width), (rows, w.FeedForward.Width), (rows, w.Experts.Length));
        using DeviceMemory memory = backend.Allocate(plan.Bytes);
        Tensor x = plan.View(memory, 0), y = plan.View(memory, 1), gateUp = plan.View(memory, 2), gated = plan.View(memory, 3), logits = plan.View(memory, 4);
        using Routing routing = backend.CreateRouting(rows, w.Experts.Length, experts.Length / rows);
        backend.Upload(input, x);
        backend.Linear(x, w.FeedForward.GateUp, null, gateUp);
        backend.SwiGlu(gateUp, gated);
        backend.Linear(gated, w.FeedForward.Down, null, y);
        backend.Linear(x, w.Router!, null, logits);
        backend.RouteTopK(logits, routing);
        Assert.Equal(experts, routing.Experts.ToArray());
        backend.ExpertFeedForward(x, routing, w.Experts, y);
        float[] output = new float[rows * d];
        backend.Download(y, output);
        return output;
    }

    private static void CheckInt4(SafeTensorsFile file, string name, PackedMatrix[] matrices)
    {
        byte[] codes = [.. file.ReadBytes(name + ".codes")];
        float[] scales = file.ReadFloats(name + ".scales");
        int at = 0, group = 0;
        foreach (PackedMatrix m in matrices)
        {
            for (int r = 0; r < m.Rows; r++)
            {
                for (int c = 0; c < m.Columns; c += 2)
                {
                    Assert.Equal(codes[at++], (byte)((m.Code(r, c) & 15) | (m.Code(r, c + 1) << 4)));
                }
                for (int c = 0; c < m.Columns; c += m.Format.GroupColumns)
                {
                    Assert.Equal(scales[group++], m.Scale(r, c));
                }
            }
        }
        Assert.Equal((codes.Length, scales.Length), (at, group));
    }
}
