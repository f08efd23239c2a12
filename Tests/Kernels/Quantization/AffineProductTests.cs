using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Quantization.Gguf;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Kernels.MatMul;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>Packed codes keep every weight to the bit, and products have the same bits whatever runs them.</summary>
public sealed unsafe class AffineProductTests : IDisposable
{
    private readonly ThreadTeam _team = new(2);

    /// <summary>Every block type, and integers of every width, group, kind of scale and offset; widths that end inside a group or a unit.</summary>
    public static TheoryData<string, int, int> Matrices()
    {
        TheoryData<string, int, int> matrices = [];
        foreach (GgufBlockType type in GgufBlockType.All)
        {
            matrices.Add(type.Name, 41, type.Columns == 32 ? 160 : 512);
        }
        foreach ((string name, int columns) in ((string, int)[])[
            ("int4g32-bf16", 96), ("int4g128-f32", 384), ("int4g64-f16", 320), ("int4row-bf16", 77), ("int8g32-bf16", 64), ("int8row-f32", 301),
            ("uint4g32-bf16-zero", 160), ("uint4g128-f32-zero", 256), ("uint8row-f32-zero", 35), ("uint8g64-f16-zero", 128),
            ("uint4g64-bf16-affine", 192), ("uint8g32-f16-affine", 96), ("uint2g16-f32-affine", 48), ("fp8g128-bf16", 192), ("fp8g128-f32", 300)])
        {
            matrices.Add(name, name.Contains("row", StringComparison.Ordinal) ? 33 : 64, columns);
        }
        return matrices;
    }

    [Theory]
    [MemberData(nameof(Matrices))]
    public void WeightsAreKeptAndAllProductsHaveTheSameBits(string name, int rows, int columns)
    {
        const int Tokens = 14;
        using var stored = new RandomCodes(name, rows, columns, seed: 3);
        float[] weights = stored.Values(), x = Numbers(Tokens * columns, 4), bias = Numbers(rows, 5);
        using AffineMatrix packed = AffineMatrix.Pack([stored.Matrix], CodeOrder.Words, _team);
        for (int i = 0; i < weights.Length; i++)
        {
            float kept = packed.Weight(i / columns, i % columns);
            Assert.True(BitConverter.SingleToUInt32Bits(weights[i]) == BitConverter.SingleToUInt32Bits(kept), $"weight {i}: {weights[i]:R} became {kept:R}");
        }
        (double[] expected, double[] magnitude) = MatMulOracle.Run(x, weights, bias, Tokens, rows, columns, roundX: false);
        float[]? first = null;
        foreach (CpuProduct record in Here())
        {
            foreach (int tokens in (int[])[1, 2, 3, 4, Tokens])
            {
                float[] y = new float[Tokens * rows];
                for (int t = 0; t < Tokens; t += tokens)
                {
                    int count = Math.Min(tokens, Tokens - t);
                    record.Run(_team, packed, x.AsSpan(t * columns, count * columns), count, bias, y.AsSpan(t * rows, count * rows));
                }
                first ??= y;
                Assert.True(first.AsSpan().SequenceEqual(y), $"{record.Name}, {tokens} tokens: other bits");
            }
        }
        Assert.All(Enumerable.Range(0, first!.Length), i => Assert.True(Math.Abs(first[i] - expected[i]) <= magnitude[i] * 1e-6, $"y[{i}] = {first[i]}, expected {expected[i]}"));
    }

    [Fact]
    public void EveryCodeMeetsEveryLane()
    {
        foreach (string name in (string[])["uint2g16-f32-affine", "Q3_K", "int4g32-bf16", "Q5_K", "Q6_K", "int8g32-bf16", "fp8g128-f32", "IQ4_NL"])
        {
            int columns = name[0] == 'Q' ? 256 : 128;
            using var stored = new RandomCodes(name, 64, columns, seed: 6);
            using AffineMatrix packed = AffineMatrix.Pack([stored.Matrix], CodeOrder.Words, _team);
            float[] weights = stored.Values(), x = new float[columns], y = new float[64], none = new float[64];
            foreach (CpuProduct record in Here())
            {
                for (int c = 0; c < columns; c++)
                {
                    x[c] = 1;
                    record.Run(_team, packed, x, 1, none, y);
                    x[c] = 0;
                    Assert.All(Enumerable.Range(0, 64), r => Assert.Equal(weights[r * columns + c], y[r]));
                }
            }
        }
    }

    [Fact]
    public void BlocksOfTokensAndStackedMatricesChangeNothing()
    {
        const int Columns = 64, Tokens = 203;
        using var upper = new RandomCodes("uint4g32-bf16-zero", 19, Columns, seed: 7);
        using var lower = new RandomCodes("uint4g32-bf16-zero", 24, Columns, seed: 8);
        using AffineMatrix packed = AffineMatrix.Pack([upper.Matrix, lower.Matrix], CodeOrder.Words, _team);
        Assert.Equal((43, Columns), (packed.Rows, packed.Columns));
        float[] weights = [.. upper.Values(), .. lower.Values()], x = Numbers(Tokens * Columns, 9), bias = new float[43], y = new float[Tokens * 43], one = new float[43];
        Here().Last(record => record.Name != "matmul_coded_scalar").Run(_team, packed, x, Tokens, bias, y);
        (double[] expected, double[] magnitude) = MatMulOracle.Run(x, weights, null, Tokens, 43, Columns, roundX: false);
        Assert.All(Enumerable.Range(0, y.Length), i => Assert.True(Math.Abs(y[i] - expected[i]) <= magnitude[i] * 1e-6));
        Here().First().Run(_team, packed, x.AsSpan(200 * Columns, Columns), 1, bias, one);
        Assert.Equal(one, y.AsSpan(200 * 43, 43).ToArray());
    }

    [Fact]
    public void WhatIsNotANumberStaysInItsRowAndToken()
    {
        using var stored = new RandomCodes("Q4_K", 32, 256, seed: 10);
        using AffineMatrix packed = AffineMatrix.Pack([stored.Matrix], CodeOrder.Words, _team);
        float[] x = Numbers(3 * 256, 11), y = new float[3 * 32];
        (x[256 + 17], x[512 + 3]) = (float.NaN, float.PositiveInfinity);
        Here().First().Run(_team, packed, x, 3, new float[32], y);
        Assert.All(y[..32], value => Assert.True(float.IsFinite(value)));
        Assert.All(y[32..64], value => Assert.True(float.IsNaN(value)));
        Assert.All(y[64..], value => Assert.False(float.IsFinite(value)));
    }

    [Fact]
    public void WrongStacksAndCallsAreRefused()
    {
        using var four = new RandomCodes("int4g32-bf16", 2, 64, seed: 12);
        using var eight = new RandomCodes("int8g32-bf16", 2, 64, seed: 12);
        using var wide = new RandomCodes("int4g32-bf16", 2, 96, seed: 12);
        Assert.Throws<ArgumentException>(() => AffineMatrix.Pack([], CodeOrder.Words, _team));
        Assert.Contains("int8g32-bf16 on int4g32-bf16", Assert.Throws<ArgumentException>(() => AffineMatrix.Pack([four.Matrix, eight.Matrix], CodeOrder.Words, _team)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => AffineMatrix.Pack([four.Matrix, wide.Matrix], CodeOrder.Words, _team));
        var odd = (IntegerMatrix)four.Matrix;
        Assert.Contains("multiples of 8", Assert.Throws<ArgumentException>(() => AffineMatrix.Pack([odd with { Codes = KeptFormats.Integers(4, 12, ScaleKind.BF16, OffsetKind.None) }], CodeOrder.Words, _team)).Message, StringComparison.Ordinal);
        AffineMatrix packed = AffineMatrix.Pack([four.Matrix], CodeOrder.Words, _team);
        packed.Dispose();
        Assert.Throws<ObjectDisposedException>(() => packed.Weight(0, 0));
    }

    public void Dispose() => _team.Dispose();

    private static IEnumerable<CpuProduct> Here() => CpuRecords.Here(AffineProduct.Products);

    private static float[] Numbers(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
    }
}
