using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Tests.Kernels.MatMul;
using Llama4Kernels.Tests.Kernels.Quantization;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>
/// The rule of exact mode on a device: what an operation gives a row is the same to the bit in a batch of any number of rows,
/// whichever records those choose. Sizes around the borders of the lists of records and of tiles.
/// </summary>
public sealed class RowIndependenceTests : IDisposable
{
    private static readonly int[] s_rows = [1, 2, 7, 8, 9, 16, 17, 64, 65];

    private readonly EmulatedBackend _emulated = new();

    public void Dispose() => _emulated.Dispose();

    public static TheoryData<string, int, int> Products() => new()
    {
        { "f32", 131, 300 },
        { "f32", 130, 18 },
        { "bf16", 131, 277 },
        { "bf16", 130, 1024 },
        { "fp8", 131, 130 },
        { "fp8a", 133, 256 },
        { "int4", 130, 384 },
        { "Q4_K", 131, 512 },
        { "uint8row-f32-zero", 130, 387 },
        { "fp8g128-f32", 131, 150 },
    };

    [Theory]
    [MemberData(nameof(Products))]
    public void AProductGivesARowItsBitsInAnyBatch(string format, int outputs, int inner)
    {
        using IDisposable owner = Stored(format, outputs, inner, 0, out MatrixSource source, out WeightFormat? packedAs);
        using IMatrix weight = _emulated.Backend.Pack([source], packedAs);
        float[] x = Numbers(s_rows[^1] * inner, 1), bias = Numbers(outputs, 2);
        CheckEveryBatch(outputs, rows =>
        {
            using DeviceMemory memory = _emulated.Backend.Allocate(((long)rows * (inner + outputs) + outputs) * sizeof(float));
            Tensor input = memory.View(rows, inner), output = memory.View(rows, outputs, input.Elements * sizeof(float)), added = memory.View(1, outputs, (input.Elements + output.Elements) * sizeof(float));
            _emulated.Backend.Upload(x.AsSpan(0, rows * inner), input);
            _emulated.Backend.Upload(bias, added);
            _emulated.Backend.Linear(input, weight, added, output);
            return Download(output);
        });
    }

    /// <summary>From the router's logits to the sum of the experts' results: two experts a row, so that 17 slots come with nine rows.</summary>
    [Theory]
    [InlineData("f32", 20, 12)]
    [InlineData("bf16", 35, 33)]
    [InlineData("fp8", 36, 40)]
    [InlineData("fp8a", 36, 40)]
    [InlineData("int4", 128, 128)]
    [InlineData("Q6_K", 256, 256)]
    public void ExpertsGiveARowItsBitsInAnyBatch(string format, int hidden, int width)
    {
        const int Count = 5, TopK = 2;
        List<IDisposable> owners = [];
        IMatrix[] gateUps = Stack(2 * width, hidden, 1), downs = Stack(hidden, width, 10);
        owners.AddRange([.. gateUps, .. downs]);
        ExpertWeights[] experts = [.. gateUps.Zip(downs, (gateUp, down) => new ExpertWeights(gateUp, down))];
        float[] x = Numbers(s_rows[^1] * hidden, 3), logits = Numbers(s_rows[^1] * Count, 4);
        CheckEveryBatch(hidden, rows =>
        {
            using DeviceMemory memory = _emulated.Backend.Allocate((long)rows * (2 * hidden + Count) * sizeof(float));
            using Routing routing = _emulated.Backend.CreateRouting(rows, Count, TopK);
            Tensor input = memory.View(rows, hidden), output = memory.View(rows, hidden, input.Elements * sizeof(float)), router = memory.View(rows, Count, 2 * input.Elements * sizeof(float));
            _emulated.Backend.Upload(x.AsSpan(0, rows * hidden), input);
            _emulated.Backend.Upload(logits.AsSpan(0, rows * Count), router);
            _emulated.Backend.RouteTopK(router, routing);
            _emulated.Backend.ExpertFeedForward(input, routing, experts, output);
            return Download(output);
        });
        owners.ForEach(owner => owner.Dispose());

        IMatrix[] Stack(int outputs, int inner, int seed) => _emulated.Backend.PackStack(Count, expert =>
        {
            owners.Add(Stored(format, outputs, inner, seed + expert, out MatrixSource source, out WeightFormat? packedAs));
            return ([source], packedAs);
        });
    }

    /// <summary>What works on rows one by one does it alike for all: norms, gates, angles, the best column.</summary>
    [Fact]
    public void RowsByThemselvesGiveTheirBitsInAnyBatch()
    {
        const int Columns = 74;
        float[] x = Numbers(s_rows[^1] * Columns, 5), weight = Numbers(Columns, 6);
        CheckEveryBatch(Columns / 2 + 1, rows =>
        {
            using DeviceMemory memory = _emulated.Backend.Allocate((rows * 5L * Columns / 2 + Columns) * sizeof(float));
            Tensor input = memory.View(rows, Columns), normed = memory.View(rows, Columns, input.Elements * sizeof(float)), weights = memory.View(1, Columns, 2 * input.Elements * sizeof(float));
            Tensor gated = memory.View(rows, Columns / 2, (2 * input.Elements + Columns) * sizeof(float));
            _emulated.Backend.Upload(x.AsSpan(0, rows * Columns), input);
            _emulated.Backend.Upload(weight, weights);
            _emulated.Backend.RmsNorm(input, weights, 1e-5f, normed);
            _emulated.Backend.SwiGlu(normed, gated);
            int[] best = new int[rows];
            Assert.True(_emulated.Backend.TryArgMax(normed, best));
            float[] values = Download(gated);
            return [.. Enumerable.Range(0, rows).SelectMany(row => (float[])[.. values[(row * Columns / 2)..((row + 1) * Columns / 2)], best[row]])];
        });
    }

    /// <summary>The first rows of every smaller batch are those of the largest.</summary>
    private void CheckEveryBatch(int columns, Func<int, float[]> run)
    {
        int[] all = Bits(run(s_rows[^1]));
        Assert.Equal(s_rows[^1] * columns, all.Length);
        Assert.NotEqual(all[..columns], all[columns..(2 * columns)]);
        foreach (int rows in s_rows)
        {
            Assert.Equal(all[..(rows * columns)], Bits(run(rows)));
        }
        Assert.Empty(_emulated.Driver.Findings);
    }

    private static IDisposable Stored(string format, int rows, int columns, int seed, out MatrixSource source, out WeightFormat? packedAs)
    {
        packedAs = WeightFormat.All.FirstOrDefault(one => one.Name == format);
        if (packedAs is null)
        {
            var codes = new RandomCodes(format, rows, columns, seed + 1);
            source = codes.Matrix;
            return codes;
        }
        ProductCase subject = ProductCase.Of(packedAs, rows, columns, seed + 1);
        source = subject.Source;
        return subject;
    }

    private float[] Download(Tensor tensor)
    {
        float[] values = new float[tensor.Elements];
        _emulated.Backend.Download(tensor, values);
        return values;
    }

    private static int[] Bits(float[] values) => Array.ConvertAll(values, BitConverter.SingleToInt32Bits);

    private static float[] Numbers(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 2f - 1f)];
    }
}
