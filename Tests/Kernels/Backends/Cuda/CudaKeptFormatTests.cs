using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Quantization.Gguf;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.Tests.Kernels.Quantization;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>Codes of other people's files stay on the device what they are in the file: products, experts, tables, their bytes.</summary>
public sealed unsafe class CudaKeptFormatTests : IDisposable
{
    private readonly EmulatedCudaDriver _driver = new();
    private readonly List<RandomCodes> _stored = [];

    public void Dispose()
    {
        _stored.ForEach(stored => stored.Dispose());
        _driver.Dispose();
    }

    public static TheoryData<string> Names { get; } = [.. GgufBlockType.All.Select(type => type.Name), .. KeptFormats.All.Except(KeptFormats.Gguf).Where(format => !IsInt4(format)).Select(format => format.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void EveryKeptFormatIsKeptAndMultiplied(string name)
    {
        const int Rows = 64, Columns = 256, Tokens = 2;
        using IBackend backend = EmulatedBackend.Create(_driver);
        CodedMatrix stored = Stored(name, Rows, Columns, out float[] weights);
        using IMatrix packed = backend.Pack([stored]);
        Assert.Equal((stored.Codes, "panels"), (packed.Format, packed.Layout));
        // Files of GGUF have scales of six bits, others all their numbers in bytes.
        Assert.InRange(packed.Bytes, 1, stored.Codes.Bytes(Rows, Columns));
        if (stored is GgufMatrix gguf)
        {
            Assert.InRange(packed.Bytes, 1, 1.1 * gguf.StoredBytes);
        }
        float[] x = Numbers(Tokens * Columns, 22);
        CheckProduct(weights, x, Tokens, Rows, Columns, Linear(backend, packed, x, Tokens, null));
    }

    /// <summary>Query, key and value of a file of mixed types, with a bias: each part stays what it is.</summary>
    [Theory]
    [InlineData(3)]
    [InlineData(21)]
    public void PartsOfAStackKeepFormatsOfTheirOwn(int tokens)
    {
        const int Columns = 256;
        using IBackend backend = EmulatedBackend.Create(_driver);
        CodedMatrix query = Stored("Q4_K", 40, Columns, out float[] first), value = Stored("Q6_K", 9, Columns, out float[] third);
        float[] key = [.. Numbers(7 * Columns, 23).Select(Bf16.Round)], weights = [.. first, .. key, .. third], bias = Numbers(56, 24), x = Numbers(tokens * Columns, 25);
        ushort[] bits = Array.ConvertAll(key, Bf16.FromSingle);
        fixed (ushort* plain = bits)
        {
            using IMatrix packed = backend.Pack([query, MatrixSource.RowMajor((nint)plain, ElementType.BF16, 7, Columns), value]);
            Assert.Equal("q4_k panels + bf16 rows + q6_k panels", packed.Layout);
            CheckProduct(weights, x, tokens, 56, Columns, Linear(backend, packed, x, tokens, bias), bias);
        }
    }

    /// <summary>Gate and up of different types, and experts of which one was left alone by the tool: the processor's results.</summary>
    [Theory]
    [InlineData("Q4_K", "Q6_K", "Q5_K", 3)]
    [InlineData("Q4_K", "Q6_K", "Q5_K", 30)]
    [InlineData("Q4_K", "Q4_K", "plain", 5)]
    public void ExpertsOfMixedTypesGiveTheProcessorsResults(string gate, string up, string down, int tokens)
    {
        const int Hidden = 256, Width = 256, Count = 3;
        float[] x = Numbers(tokens * Hidden, 26), logits = Numbers(tokens * Count, 27);
        float[] plain = Numbers(Hidden * Width, 28);
        MatrixSource[][] gateUps = [.. Enumerable.Range(0, Count).Select(_ => (MatrixSource[])[Stored(gate, Width, Hidden, out float[] _), Stored(up, Width, Hidden, out float[] _)])];
        fixed (float* data = plain)
        {
            MatrixSource alone = MatrixSource.RowMajor((nint)data, ElementType.F32, Hidden, Width);
            MatrixSource[] downs = [.. Enumerable.Range(0, Count).Select(e => down == "plain" && e == 1 ? alone : Stored(down == "plain" ? "Q4_K" : down, Hidden, Width, out float[] _))];
            using var cpu = new CpuBackend(new CpuBackendOptions { Threads = 1 });
            using IBackend device = EmulatedBackend.Create(_driver);
            float[] expected = Experts(cpu, gateUps, downs, x, logits, tokens, out _), actual = Experts(device, gateUps, downs, x, logits, tokens, out WeightFormat format);
            Assert.Equal(down == "plain" ? WeightFormat.F32 : KeptFormats.Find("q5_k"), format);
            float range = expected.Max() - expected.Min();
            Assert.All(expected.Zip(actual), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, 1e-5f * range));
        }
    }

    [Theory]
    [InlineData("Q6_K", 256)]
    [InlineData("uint4g32-bf16-affine", 96)]
    public void TablesStayCodes(string name, int columns)
    {
        using IBackend backend = EmulatedBackend.Create(_driver);
        CodedMatrix stored = Stored(name, 37, columns, out float[] values);
        using IEmbedding table = backend.CreateEmbedding(stored);
        int[] ids = [36, 0, 5];
        float[] rows = new float[ids.Length * columns];
        using DeviceMemory output = backend.Allocate(rows.Length * sizeof(float));
        backend.Embed(table, ids, output.View(ids.Length, columns));
        backend.Download(output.View(ids.Length, columns), rows);
        Assert.Equal(ids.SelectMany(id => values[(id * columns)..((id + 1) * columns)]), rows);
        Assert.Throws<ArgumentOutOfRangeException>(() => backend.Embed(table, [37], output.View(1, columns)));
    }

    [Fact]
    public void SymmetricGroupsOf128AreTheDevicesInt4()
    {
        using IBackend backend = EmulatedBackend.Create(_driver);
        using IMatrix packed = backend.Pack([Stored("int4g128-bf16", 3, 256, out float[] _)]);
        Assert.Equal(WeightFormat.Int4, packed.Format);
    }

    [Fact]
    public void WhatWasPackedBeforeAFailureIsFreed()
    {
        using IBackend backend = EmulatedBackend.Create(_driver);
        int before = _driver.LiveResources;
        CodedMatrix four = Stored("Q4_K", 8, 256, out float[] _), six = Stored("Q6_K", 8, 256, out float[] _);
        Assert.Throws<InvalidOperationException>(() => backend.PackStack(2, i => i == 0 ? ([four, six], (WeightFormat?)null) : throw new InvalidOperationException("cancelled")));
        Assert.Throws<ArgumentException>(() => backend.PackStack(2, i => (i == 0 ? [four] : [six, four], (WeightFormat?)null)));
        Assert.Equal(before, _driver.LiveResources);
        IMatrix[] stack = backend.PackStack(2, _ => ([four, six], (WeightFormat?)null));
        Assert.Equal(before + 2, _driver.LiveResources);
        Array.ForEach(stack, matrix => matrix.Dispose());
        Assert.Equal(before, _driver.LiveResources);
    }

    private static bool IsInt4(WeightFormat format) => format is { Bits: 4, GroupColumns: 128, Offset: OffsetKind.None };

    private CodedMatrix Stored(string name, int rows, int columns, out float[] values)
    {
        var stored = new RandomCodes(name, rows, columns, seed: 40 + _stored.Count);
        _stored.Add(stored);
        values = stored.Values();
        return stored.Matrix;
    }

    private static float[] Linear(IBackend backend, IMatrix packed, float[] x, int tokens, float[]? bias)
    {
        float[] y = new float[tokens * packed.Rows];
        using DeviceMemory xs = backend.Allocate(x.Length * sizeof(float)), ys = backend.Allocate(y.Length * sizeof(float)), added = backend.Allocate(packed.Rows * sizeof(float));
        backend.Upload(x, xs.View(tokens, packed.Columns));
        backend.Upload(bias ?? new float[packed.Rows], added.View(1, packed.Rows));
        backend.Linear(xs.View(tokens, packed.Columns), packed, bias is null ? null : added.View(1, packed.Rows), ys.View(tokens, packed.Rows));
        backend.Download(ys.View(tokens, packed.Rows), y);
        return y;
    }

    private static void CheckProduct(float[] weights, float[] x, int tokens, int rows, int columns, float[] y, float[]? bias = null)
    {
        (double[] expected, double[] magnitude) = MatMulOracle.Run(x, weights, bias, tokens, rows, columns, roundX: false);
        Assert.All(Enumerable.Range(0, y.Length), i => Assert.True(Math.Abs(y[i] - expected[i]) <= magnitude[i] * 1e-6, $"y[{i}] = {y[i]}, expected {expected[i]}"));
    }

    private static float[] Experts(IBackend backend, MatrixSource[][] gateUps, MatrixSource[] downs, float[] x, float[] logits, int tokens, out WeightFormat down)
    {
        int count = downs.Length, hidden = downs[0].Rows;
        IMatrix[] wide = backend.PackStack(count, e => (gateUps[e], (WeightFormat?)null)), narrow = backend.PackStack(count, e => ([downs[e]], (WeightFormat?)null));
        down = narrow[0].Format;
        ExpertWeights[] experts = [.. wide.Zip(narrow, (first, second) => new ExpertWeights(first, second))];
        using Routing routing = backend.CreateRouting(tokens, count, 1);
        using DeviceMemory xs = backend.Allocate(x.Length * sizeof(float)), ys = backend.Allocate(x.Length * sizeof(float)), chosen = backend.Allocate(logits.Length * sizeof(float));
        backend.Upload(x, xs.View(tokens, hidden));
        backend.Upload(new float[x.Length], ys.View(tokens, hidden));
        backend.Upload(logits, chosen.View(tokens, count));
        backend.RouteTopK(chosen.View(tokens, count), routing);
        backend.ExpertFeedForward(xs.View(tokens, hidden), routing, experts, ys.View(tokens, hidden));
        float[] y = new float[x.Length];
        backend.Download(ys.View(tokens, hidden), y);
        Array.ForEach([.. wide, .. narrow], matrix => matrix.Dispose());
        return y;
    }

    private static float[] Numbers(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
    }
}
