using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Kernels.MatMul;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>Products of int4 weights with rows rounded to int8, by every record of <see cref="Int4Product"/>.</summary>
public sealed unsafe class Int4ProductTests : IDisposable
{
    private readonly ThreadTeam _team = new(2);

    public static TheoryData<string> Records { get; } = CpuRecords.Names(Int4Product.Products);

    public void Dispose() => _team.Dispose();

    /// <summary>Rows in all tiles and more than an item takes; panels that end early; one group and many.</summary>
    [Theory]
    [MemberData(nameof(Records))]
    public void EqualsTheOracleOverOddSizes(string name)
    {
        CpuProduct record = CpuRecords.Get(name);
        foreach ((int outputs, int inner, int tokens) in ((int, int, int)[])[(1, 128, 1), (63, 128, 2), (64, 256, 3), (65, 640, 4), (130, 768, 7), (200, 128, 8), (70, 256, 17), (129, 1152, 15), (3, 128, 516)])
        {
            using Case c = new(outputs, inner, seed: outputs + tokens);
            float[] x = c.Rows(tokens), bias = c.Rows(1, outputs);
            foreach (float[]? added in (float[]?[])[null, bias])
            {
                float[] y = c.Run(record, _team, x, tokens, added);
                (double[] expected, double[] magnitude) = MatMulOracle.Run(QuantizationOracle.Int8Rounded(x, inner), c.Weights, added, tokens, outputs, inner, roundX: false);
                Assert.All(Enumerable.Range(0, y.Length), i =>
                    Assert.True(Math.Abs(y[i] - expected[i]) <= 1e-6 * magnitude[i], $"[{outputs}, {inner}] × {tokens}, element {i}: {y[i]} for {expected[i]}"));
            }
        }
    }

    /// <summary>Integers are summed exactly and groups in one order: no record, batch or number of threads changes a bit.</summary>
    [Theory]
    [MemberData(nameof(Records))]
    public void HasTheBitsOfARowAloneWithoutVectors(string name)
    {
        CpuProduct record = CpuRecords.Get(name), plain = CpuRecords.Get("matmul_int4_int8_scalar");
        using Case c = new(150, 640, seed: 3);
        using var one = new ThreadTeam(1);
        foreach (int tokens in (int[])[1, 2, 3, 5, 6, 7, 12, 21])
        {
            float[] x = c.Rows(tokens), y = c.Run(record, _team, x, tokens, null);
            for (int t = 0; t < tokens; t++)
            {
                Assert.Equal(c.Run(plain, one, x[(t * 640)..((t + 1) * 640)], 1, null), y[(t * 150)..((t + 1) * 150)]);
            }
        }
    }

    /// <summary>Code (row + column) mod 16 at each place, read back by rows of x that are 127 at one column.</summary>
    [Theory]
    [MemberData(nameof(Records))]
    public void EveryCodeIsReadInEveryPlace(string name)
    {
        const int Outputs = 80, Inner = 256;
        float[] w = [.. Enumerable.Range(0, Outputs * Inner).Select(i => (float)(((i / Inner) + (i % Inner)) % 16 - 8))];
        using Case c = Case.Of(w, Outputs, Inner);
        float[] x = new float[Inner * Inner];
        for (int column = 0; column < Inner; column++)
        {
            x[(column * Inner) + column] = 127;
        }
        float[] y = c.Run(CpuRecords.Get(name), _team, x, Inner, null);
        Assert.All(Enumerable.Range(0, y.Length), i => Assert.Equal(127 * w[(i % Outputs * Inner) + (i / Outputs)], y[i]));
    }

    [Theory]
    [MemberData(nameof(Records))]
    public void SpecialValuesStayInTheirRow(string name)
    {
        const int Outputs = 70, Inner = 256;
        CpuProduct record = CpuRecords.Get(name);
        using Case c = new(Outputs, Inner, seed: 9);
        float[] x = c.Rows(7), clean = c.Run(record, _team, x, 7, null);
        x[5] = float.NaN;
        x[Inner + 200] = float.NegativeInfinity;
        Array.Clear(x, 2 * Inner, Inner);
        // Too small for a scale: as zero. As large as can be: still exact.
        Array.Fill(x, float.Epsilon, 3 * Inner, Inner);
        Array.Fill(x, 1e-38f, 4 * Inner, Inner);
        x[5 * Inner] = float.MaxValue;
        float[] y = c.Run(record, _team, x, 7, null);
        Assert.All(y[..(2 * Outputs)], value => Assert.True(float.IsNaN(value)));
        Assert.All(y[(2 * Outputs)..(5 * Outputs)], value => Assert.Equal(0, value));
        Assert.All(y[(5 * Outputs)..(6 * Outputs)], value => Assert.True(float.IsFinite(value)));
        Assert.Equal(clean[(6 * Outputs)..], y[(6 * Outputs)..]);
    }

    /// <summary>The definition, without the kernel's arithmetic: nearest integers of the scale that makes the largest 127, and the start of the sums.</summary>
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(3, 4)]
    [InlineData(9, 4, 4, 1)]
    [InlineData(6, 4, 2)]
    [InlineData(7, 4, 4)]
    public void RowsAreRoundedToTheNearestSteps(int rows, params int[] tiles)
    {
        // From seven rows on several items share it.
        const int Inner = 5120;
        float[] x = [.. new Case(1, 128, seed: 4).Rows(rows, Inner)];
        byte[] operand = GC.AllocateUninitializedArray<byte>((int)Int8Operand.Bytes(rows, Inner, Int4Panels.Operand), pinned: true);
        Assert.Equal(tiles.Sum(), Int8Operand.TiledRows(rows));
        byte* at = (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(operand, 0);
        fixed (float* from = x)
        {
            Int8Operand.Quantise(new ProductTeam(_team), from, rows, Inner, Int4Panels.Operand, at);
        }
        int first = 0;
        foreach (int height in tiles)
        {
            Assert.Equal(height, Int8Operand.RowsAt(first, rows));
            for (int g = 0; g < Inner / 128; g++, at += height * Int4Panels.Operand.GroupBytes)
            {
                for (int r = 0; r < height; r++)
                {
                    float scale = ((float*)at)[height + r];
                    int sum = 0;
                    for (int k = 0; k < 128; k++)
                    {
                        int code = ((sbyte*)at)[8 * height + (k / 4 * height + r) * 4 + k % 4];
                        double value = first + r < rows ? x[((first + r) * Inner) + (g * 128) + k] : 0;
                        Assert.True(Math.Abs(value - code * (double)scale) <= 0.5001 * scale, $"row {first + r}, column {g * 128 + k}: {value} became {code} · {scale}");
                        sum += code;
                    }
                    Assert.Equal(-8 * sum, ((int*)at)[r]);
                }
            }
            first += height;
        }
    }

    /// <summary>A packed matrix and the numbers that it stands for.</summary>
    private sealed class Case : IDisposable
    {
        private readonly Random _random;
        private readonly ProductCase? _owned;
        private readonly MatrixSource _source;
        private readonly int _outputs, _inner;

        public Case(int outputs, int inner, int seed)
        {
            _random = new Random(seed);
            _owned = ProductCase.Of(WeightFormat.Int4, outputs, inner, seed);
            (_source, Weights, _outputs, _inner) = (_owned.Source, _owned.Weights, outputs, inner);
        }

        private Case(float[] w, int outputs, int inner)
        {
            _random = new Random(1);
            Weights = GC.AllocateUninitializedArray<float>(w.Length, pinned: true);
            w.CopyTo(Weights, 0);
            (_source, _outputs, _inner) = (MatrixSource.RowMajor(Marshal.UnsafeAddrOfPinnedArrayElement(Weights, 0), ElementType.F32, outputs, inner), outputs, inner);
        }

        public float[] Weights { get; }

        public static Case Of(float[] w, int outputs, int inner) => new(w, outputs, inner);

        public float[] Rows(int rows, int? columns = null) => [.. Enumerable.Range(0, rows * (columns ?? _inner)).Select(_ => _random.NextSingle() * 2 - 1)];

        public float[] Run(CpuProduct record, ThreadTeam team, float[] x, int tokens, float[]? bias)
        {
            using Int4Panels packed = Int4Panels.Pack([_source], team);
            float[] y = new float[tokens * _outputs];
            record.Run(team, packed, x, tokens, bias, y);
            return y;
        }

        public void Dispose() => _owned?.Dispose();
    }
}
