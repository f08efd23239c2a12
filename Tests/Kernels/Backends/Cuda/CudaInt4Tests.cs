using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>int4 weights on tensor cores through the backend: the layout that packing chooses, products, whole models.</summary>
public sealed class CudaInt4Tests : IDisposable
{
    private static readonly CudaBackendOptions s_bf16 = new() { ArenaBytes = 4 << 20, StagingBytes = 1 << 20, Precision = ActivationPrecision.BFloat16 };

    private readonly EmulatedBackend _emulated = new(s_bf16);

    public void Dispose() => _emulated.Dispose();

    /// <summary>Sources that end within a unit of 32 rows, so that units take rows of two.</summary>
    [Theory]
    [InlineData(1, 20, 17, 256)]
    [InlineData(5, 31, 33, 384)]
    [InlineData(19, 7, 1, 128)]
    public void ProductsAreThoseOfTheRoundedOperands(int rows, int first, int second, int columns)
    {
        var random = new Random(rows);
        float[] weights = [.. Enumerable.Range(0, (first + second) * columns).Select(_ => (float)(random.NextDouble() - 0.5))];
        float[] x = [.. Enumerable.Range(0, rows * columns).Select(_ => (float)(random.NextDouble() - 0.25))];
        using DeviceMemory input = Upload(x, rows, columns), output = _emulated.Backend.Allocate(rows * (first + second) * sizeof(float));
        GCHandle pin = GCHandle.Alloc(weights, GCHandleType.Pinned);
        MatrixSource Part(int start, int count) => MatrixSource.RowMajor(pin.AddrOfPinnedObject() + start * columns * sizeof(float), ElementType.F32, count, columns);
        using IMatrix matrix = _emulated.Backend.Pack([Part(0, first), Part(first, second)], WeightFormat.Int4);
        pin.Free();
        Assert.Equal("tiles", matrix.Layout);
        Assert.Equal(Int4Tiles.Units(first + second) * (Int4Tiles.UnitCodeBytes(columns) + Int4Tiles.UnitScaleBytes(columns)), matrix.Bytes);
        _emulated.Backend.Linear(input.View(rows, columns), matrix, null, output.View(rows, first + second));
        float[] y = new float[rows * (first + second)];
        _emulated.Backend.Download(output.View(rows, first + second), y);
        for (int row = 0; row < rows; row++)
        {
            for (int i = 0; i < first + second; i++)
            {
                (sbyte[] codes, float[] scales) = Quantise(weights.AsSpan(i * columns, columns));
                (double expected, double magnitude) = Int4MatVecOracle.Dot(codes, scales, x.AsSpan(row * columns, columns));
                Assert.InRange(y[(row * (first + second)) + i], expected - 1e-5 * magnitude, expected + 1e-5 * magnitude);
            }
        }
        Assert.Empty(_emulated.Driver.Findings);
    }

    [Fact]
    public void OtherFormatsAndExactProductsStayRows()
    {
        float[] weights = new float[32 * 128];
        GCHandle pin = GCHandle.Alloc(weights, GCHandleType.Pinned);
        MatrixSource source = MatrixSource.RowMajor(pin.AddrOfPinnedObject(), ElementType.F32, 32, 128);
        using IMatrix tiles = _emulated.Backend.Pack([source], WeightFormat.Int4), fp8 = _emulated.Backend.Pack([source], WeightFormat.Fp8), stored = _emulated.Backend.Pack([source]);
        using var exact = new EmulatedBackend();
        using IMatrix rows = exact.Backend.Pack([source], WeightFormat.Int4);
        pin.Free();
        Assert.Equal(["tiles", "rows", "rows", "rows"], new[] { tiles, fp8, stored, rows }.Select(matrix => matrix.Layout));
        using DeviceMemory x = _emulated.Backend.Allocate(512), y = _emulated.Backend.Allocate(128);
        _emulated.Backend.Linear(x.View(0, 128), tiles, null, y.View(0, 32));
    }

    /// <summary>One graph serves all numbers of rows up to its own, and does no work for what is beyond them.</summary>
    [Fact]
    public void AGraphReadsHowManyRowsMeanSomething()
    {
        const int Rows = 64, Outputs = 33, Columns = 256;
        var random = new Random(4);
        float[] weights = [.. Enumerable.Range(0, Outputs * Columns).Select(_ => random.NextSingle() - 0.5f)], bias = [.. Enumerable.Range(0, Outputs).Select(i => i * 0.5f)];
        float[] x = [.. Enumerable.Range(0, Rows * Columns).Select(_ => random.NextSingle() - 0.25f)], marks = [.. Enumerable.Repeat(-777f, Rows * Outputs)];
        using DeviceMemory input = Upload(x, Rows, Columns), added = Upload(bias, 1, Outputs), output = Upload(marks, Rows, Outputs);
        GCHandle pin = GCHandle.Alloc(weights, GCHandleType.Pinned);
        using IMatrix matrix = _emulated.Backend.Pack([MatrixSource.RowMajor(pin.AddrOfPinnedObject(), ElementType.F32, Outputs, Columns)], WeightFormat.Int4);
        pin.Free();
        foreach (int used in new[] { 33, 64, 16, 1, 48, 17 })
        {
            _emulated.Backend.Upload(marks, output.View(Rows, Outputs));
            _emulated.Backend.BeginStep(Rows, repeats: true, used);
            _emulated.Backend.Linear(input.View(Rows, Columns), matrix, added.View(1, Outputs), output.View(Rows, Outputs));
            _emulated.Backend.EndStep();
            float[] y = new float[Rows * Outputs];
            _emulated.Backend.Download(output.View(Rows, Outputs), y);
            for (int i = 0; i < y.Length; i++)
            {
                if (i / Outputs >= used)
                {
                    // Not even the rows of its last slice.
                    Assert.Equal(-777f, y[i]);
                    continue;
                }
                (sbyte[] codes, float[] scales) = Quantise(weights.AsSpan(i % Outputs * Columns, Columns));
                (double expected, double magnitude) = Int4MatVecOracle.Dot(codes, scales, x.AsSpan(i / Outputs * Columns, Columns));
                Assert.InRange(y[i], expected + bias[i % Outputs] - 1e-5 * magnitude, expected + bias[i % Outputs] + 1e-5 * magnitude);
            }
        }
        Assert.Equal((1, 5), _emulated.Backend.Graphs);
        Assert.Throws<ArgumentOutOfRangeException>(() => _emulated.Backend.BeginStep(4, repeats: true, used: 5));
        Assert.Empty(_emulated.Driver.Findings);
    }

    /// <summary>
    /// A whole model, decoded by graphs too: activations rounded before int4 products cannot meet a bound for float32. The distance from
    /// the float32 reference stays below that of the official implementation in bfloat16.
    /// </summary>
    [Fact]
    public void AModelStaysNearTheReference()
    {
        using var driver = new EmulatedCudaDriver();
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions
        {
            Weights = WeightScheme.Int4,
            Activations = ActivationPrecision.BFloat16,
            CreateBackend = () => EmulatedBackend.Create(driver, s_bf16),
            LoadVision = false,
        });
        LayerWeights layer = model.Text.Weights.Layers[1];
        Assert.All([layer.FeedForward.GateUp, layer.FeedForward.Down, .. layer.Experts.SelectMany(expert => new[] { expert.GateUp, expert.Down })], matrix => Assert.Equal("tiles", matrix.Layout));
        using var golden = References.Open("tiny-flat", "int4");
        int vocabulary = model.Config.Text.VocabSize;
        LogitsResult result = ModelRunner.Run(model, golden.Ids, golden.Options(vocabulary, capture: false) with { Greedy = 5, CacheFormat = KvFormat.F32 });
        Assert.Empty(driver.Findings);
        // The official implementation's median in bfloat16, and a mean that holds because no router's choice flips here.
        var divergence = LogitDivergence.Of(result.Logits, golden.Logits, vocabulary);
        Assert.InRange(divergence.MeanKl, 0, 1e-3);
        Assert.InRange(divergence.MedianKl, 0, 7.7e-5);
        Assert.Equal((0, divergence.Rows), (divergence.RowsAbove001, divergence.SameTop1));
        Assert.NotEqual(0, ReferenceMetrics.Relative(result.Logits, golden.Logits));
        Assert.NotEqual(0, ((CudaBackend)model.Backend).Graphs.Launched);
    }

    private static (sbyte[] Codes, float[] Scales) Quantise(ReadOnlySpan<float> row)
    {
        var codes = new sbyte[row.Length];
        var scales = new float[row.Length / 128];
        for (int i = 0; i < row.Length; i++)
        {
            if (i % 128 == 0)
            {
                scales[i / 128] = Quantiser.Int4Scale(Quantiser.MaxAbsolute(row.Slice(i, 128)));
            }
            codes[i] = (sbyte)Math.Clamp(MathF.Round(row[i] / scales[i / 128]), -8, 7);
        }
        return (codes, scales);
    }

    private DeviceMemory Upload(float[] values, int rows, int columns)
    {
        DeviceMemory memory = _emulated.Backend.Allocate(values.Length * sizeof(float));
        _emulated.Backend.Upload(values, memory.View(rows, columns));
        return memory;
    }
}
