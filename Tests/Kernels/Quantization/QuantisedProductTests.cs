using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Kernels.MatMul;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Quantization;

public sealed unsafe class QuantisedProductTests : IDisposable
{
    private readonly ThreadTeam _team = new(2);
    private readonly Random _random = new(7);

    public static TheoryData<string> Records { get; } = CpuRecords.Names(QuantisedProduct.Products);

    public static TheoryData<string> Fp8Records { get; } = CpuRecords.Names(CpuProducts.All.Where(record => record.Format == WeightFormat.Fp8));

    [Fact]
    public void EveryFp8CodeSurvivesTheRoundTrip()
    {
        for (int code = 0; code < 256; code++)
        {
            Assert.Equal(QuantizationOracle.Fp8Value(code), Fp8.ToSingle((byte)code));
            Assert.Equal(code, Fp8.FromSingle(Fp8.ToSingle((byte)code)));
        }
    }

    [Fact]
    public void TheFp8EncoderTakesTheNearestCode()
    {
        List<float> values = [0, -0f, 448, 449, 464, 1e30f, float.PositiveInfinity, float.NegativeInfinity, float.Epsilon, 1e-3f];
        for (int code = 0; code < 0x7e; code++)
        {
            float middle = (float)((QuantizationOracle.Fp8Value(code) + QuantizationOracle.Fp8Value(code + 1)) / 2);
            values.AddRange([middle, MathF.BitIncrement(middle), MathF.BitDecrement(middle), -middle]);
        }
        for (int i = 0; i < 5000; i++)
        {
            values.Add((_random.NextSingle() - 0.5f) * MathF.ScaleB(1, _random.Next(-12, 11)));
        }
        foreach (float value in values)
        {
            int expected = float.IsInfinity(value) ? (value < 0 ? 0xfe : 0x7e) : QuantizationOracle.Fp8Nearest(value);
            Assert.True(expected == Fp8.FromSingle(value), $"{value:R}: {Fp8.FromSingle(value)}, expected {expected}");
        }
        Assert.Equal(0x7f, Fp8.FromSingle(float.NaN) & 0x7f);
    }

    /// <summary>Rows in registers and in tiles, more of them than share decoded weights; an odd last column, slices that end early.</summary>
    [Theory]
    [MemberData(nameof(Records))]
    public void ProductsEqualTheOracleOnTheDecodedWeights(string name)
    {
        CpuProduct record = CpuRecords.Get(name);
        int group = Math.Max(1, record.Format!.GroupColumns);
        foreach ((int rows, int columns, int tokens) in ((int, int, int)[])[(1, 128, 1), (70, 3 * group, 2), (33, 67, 3), (70, 384, 5), (33, 131, 13), (64, 300, 4), (35, 256, 101)])
        {
            EqualsTheOracle(record, rows, (columns + group - 1) / group * group, tokens);
        }
    }

    private void EqualsTheOracle(CpuProduct record, int rows, int columns, int tokens)
    {
        WeightFormat format = record.Format!;
        float[] w = Numbers(rows * columns), x = Numbers(tokens * columns), bias = Numbers(rows), y = new float[tokens * rows];
        using PackedMatrix packed = Pack(w, rows, columns, format);
        record.Run(_team, packed, x, tokens, bias, y);
        float[] decoded = Decoded(packed);
        for (int i = 0; i < w.Length; i++)
        {
            // Half a step, or a whole one where the largest positive int4 weight clips.
            float scale = packed.Scale(i / columns, i % columns);
            float step = format == WeightFormat.Int4 ? scale : Math.Abs(w[i]) / 16 + scale / 1024;
            Assert.True(Math.Abs(w[i] - decoded[i]) <= step * 1.001f, $"weight {i}: {w[i]} became {decoded[i]}");
        }
        float[] input = format.QuantisesActivations ? QuantizationOracle.Rounded(x, columns) : x;
        (double[] expected, double[] magnitude) = MatMulOracle.Run(input, decoded, bias, tokens, rows, columns, roundX: false);
        for (int i = 0; i < y.Length; i++)
        {
            Assert.True(Math.Abs(y[i] - expected[i]) <= magnitude[i] * 1e-6, $"y[{i}] = {y[i]}, expected {expected[i]}");
        }
    }

    /// <summary>One order of sums: no record, batch or number of threads changes a bit, nor does a NaN leave its row.</summary>
    [Theory]
    [MemberData(nameof(Records))]
    public void HasTheBitsOfARowAloneWithoutVectors(string name)
    {
        const int Outputs = 45, Columns = 384, Tokens = 103;
        CpuProduct record = CpuRecords.Get(name), plain = CpuRecords.Get($"matmul_{record.Format}_scalar");
        float[] w = Numbers(Outputs * Columns), x = Numbers(Tokens * Columns), expected = new float[Tokens * Outputs];
        x[5] = float.NaN;
        using PackedMatrix packed = Pack(w, Outputs, Columns, record.Format);
        using var one = new ThreadTeam(1);
        for (int t = 0; t < Tokens; t++)
        {
            plain.Run(one, packed, x.AsSpan(t * Columns, Columns), 1, null, expected.AsSpan(t * Outputs, Outputs));
        }
        Assert.All(expected[..Outputs], value => Assert.True(float.IsNaN(value)));
        Assert.All(expected[Outputs..], value => Assert.True(float.IsFinite(value)));
        foreach (int tokens in (int[])[1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 25, Tokens])
        {
            float[] y = new float[tokens * Outputs];
            record.Run(_team, packed, x.AsSpan(0, tokens * Columns), tokens, null, y);
            Assert.Equal(expected[..y.Length], y);
        }
    }

    /// <summary>A code of NaN makes its output NaN in every row, and no other.</summary>
    [Theory]
    [MemberData(nameof(Fp8Records))]
    public void ACodeOfNaNStaysInItsOutput(string name)
    {
        const int Outputs = 40, Columns = 300;
        CpuProduct record = CpuRecords.Get(name);
        float[] w = Numbers(Outputs * Columns), x = Numbers(13 * Columns), clean = new float[13 * Outputs], y = new float[13 * Outputs];
        using PackedMatrix finite = Pack(w, Outputs, Columns, WeightFormat.Fp8);
        record.Run(_team, finite, x, 13, null, clean);
        w[17 * Columns + 200] = float.NaN;
        using PackedMatrix packed = Pack(w, Outputs, Columns, WeightFormat.Fp8);
        foreach (int tokens in (int[])[1, 3, 13])
        {
            record.Run(_team, packed, x.AsSpan(0, tokens * Columns), tokens, null, y.AsSpan(0, tokens * Outputs));
            Assert.All(Enumerable.Range(0, tokens * Outputs), i => Assert.Equal(i % Outputs == 17 ? float.NaN : clean[i], y[i]));
        }
    }

    [Theory]
    [MemberData(nameof(Fp8Records))]
    public void All256StoredCodesAreKeptAndDecodedInEveryLane(string product)
    {
        CpuProduct record = CpuRecords.Get(product);
        // Row r, column c has code r + c: every code meets every lane. One column times 1 is the value itself.
        byte[] codes = [.. Enumerable.Range(0, 64 * 256).Select(i => (byte)(i / 256 + i % 256))];
        float[] y = new float[64];
        fixed (byte* data = codes)
        {
            using PackedMatrix packed = PackedMatrix.Pack([MatrixSource.RowMajor((nint)data, ElementType.F8E4M3, 64, 256)], null, _team);
            Assert.All(Enumerable.Range(0, codes.Length), i => Assert.Equal(codes[i], packed.Code(i / 256, i % 256)));
        }
        for (int column = 0; column < 256; column++)
        {
            byte[] one = [.. Enumerable.Range(0, 64).Select(r => (byte)(r + column))];
            fixed (byte* data = one)
            {
                using PackedMatrix single = PackedMatrix.Pack([MatrixSource.RowMajor((nint)data, ElementType.F8E4M3, 64, 1)], null, _team);
                record.Run(_team, single, [1], 1, new float[64], y);
            }
            Assert.Equal(one.Select(code => (float)QuantizationOracle.Fp8Value(code)), y);
        }
    }

    /// <summary>Tiles of every height, blocks of columns and an odd last column, beside which codes of the next panel lie: the oracle's sums, the bits of a row alone.</summary>
    [Fact]
    public void Fp8WithRoundedRowsEqualsTheOracleWhateverTheBatch()
    {
        const int Outputs = 70, Columns = 2109, Rows = 21;
        CpuProduct record = CpuRecords.Get("matmul_fp8_bf16_avx512bf16");
        float[] w = Numbers(Outputs * Columns), x = Numbers(Rows * Columns), bias = Numbers(Outputs), one = new float[Outputs];
        w[Columns] = float.NaN;
        using PackedMatrix packed = Pack(w, Outputs, Columns, WeightFormat.Fp8);
        (double[] expected, double[] magnitude) = MatMulOracle.Run(x, Decoded(packed), bias, Rows, Outputs, Columns, roundX: true);
        foreach (int rows in (int[])[1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 17, Rows])
        {
            float[] y = new float[rows * Outputs];
            record.Run(_team, packed, x.AsSpan(0, rows * Columns), rows, bias, y);
            Assert.All(Enumerable.Range(0, y.Length), i => Assert.True(
                i % Outputs == 1 ? float.IsNaN(y[i]) : Math.Abs(y[i] - expected[i]) <= magnitude[i] * 1e-6, $"{rows} rows, y[{i}] = {y[i]}, expected {expected[i]}"));
            record.Run(_team, packed, x.AsSpan((rows - 1) * Columns, Columns), 1, bias, one);
            Assert.Equal(one, y[^Outputs..]);
        }
    }

    [Fact]
    public void WrongSourcesAreRefused()
    {
        float[] w = Numbers(130);
        Assert.Contains("multiple of 128", Assert.Throws<ArgumentException>(() => Pack(w, 1, 130, WeightFormat.Int4)).Message, StringComparison.Ordinal);
        Assert.Contains("f32", Assert.Throws<NotSupportedException>(() => Pack(w, 1, 130, WeightFormat.F16)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => PackedMatrix.Pack([], WeightFormat.Fp8, _team));
        PackedMatrix disposed = Pack(w, 1, 130, WeightFormat.Fp8);
        disposed.Dispose();
        Assert.Throws<ObjectDisposedException>(() => disposed.Code(0, 0));
    }

    public void Dispose() => _team.Dispose();

    private static float[] Decoded(PackedMatrix w)
    {
        float[] values = new float[w.Rows * w.Columns];
        for (int i = 0; i < values.Length; i++)
        {
            int r = i / w.Columns, c = i % w.Columns;
            values[i] = w.Scale(r, c) * (w.Format == WeightFormat.Int4 ? w.Code(r, c) : (float)QuantizationOracle.Fp8Value(w.Code(r, c)));
        }
        return values;
    }

    private float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => _random.NextSingle() - 0.5f)];

    private PackedMatrix Pack(float[] w, int rows, int columns, WeightFormat? format)
    {
        fixed (float* data = w)
        {
            return PackedMatrix.Pack([MatrixSource.RowMajor((nint)data, ElementType.F32, rows, columns)], format, _team);
        }
    }
}
