using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Kernels.MatMul;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>Products of weights of eight bits with rows rounded to int8, by every record of <see cref="Int8Product"/>.</summary>
public sealed unsafe class Int8ProductTests : IDisposable
{
    private readonly ThreadTeam _team = new(2);
    private readonly PinnedArrays _pinned = new();
    private readonly Random _random = new(17);

    public static TheoryData<string> Records { get; } = CpuRecords.Names(Int8Product.Products);

    public void Dispose()
    {
        _team.Dispose();
        _pinned.Dispose();
    }

    /// <summary>Rows in all tiles and more than an item takes; panels and groups that end early; stored codes of every value, −128 too.</summary>
    [Theory]
    [MemberData(nameof(Records))]
    public void EqualsTheOracleOverOddSizes(string name)
    {
        CpuProduct record = CpuRecords.Get(name);
        foreach ((int outputs, int inner, int tokens) in ((int, int, int)[])[(1, 32, 1), (31, 96, 2), (32, 128, 3), (33, 160, 4), (65, 640, 5), (70, 288, 7), (97, 2080, 9), (129, 1152, 17), (3, 64, 516)])
        {
            using var stored = new RandomCodes("Q8_0", outputs, inner, seed: outputs + tokens);
            using Int8Panels packed = Int8Panels.Pack([stored.Matrix], _team);
            float[] weights = stored.Values(), x = Numbers(tokens * inner), bias = Numbers(outputs), y = new float[tokens * outputs];
            foreach (float[]? added in (float[]?[])[null, bias])
            {
                record.Run(_team, packed, x, tokens, added, y);
                (double[] expected, double[] magnitude) = MatMulOracle.Run(QuantizationOracle.Int8Rounded(x, inner), weights, added, tokens, outputs, inner, roundX: false);
                Assert.All(Enumerable.Range(0, y.Length), i =>
                    Assert.True(Math.Abs(y[i] - expected[i]) <= 1e-6 * magnitude[i], $"[{outputs}, {inner}] × {tokens}, element {i}: {y[i]} for {expected[i]}"));
            }
        }
    }

    /// <summary>Integers are summed exactly and runs and groups in one order: no record, batch, number of threads or layout changes a bit.</summary>
    [Theory]
    [MemberData(nameof(Records))]
    public void HasTheBitsOfARowAloneAndOfTheProductOfKeptCodes(string name)
    {
        const int Outputs = 75, Inner = 672;
        CpuProduct record = CpuRecords.Get(name), kept = CpuRecords.Get("matmul_coded_int8_scalar");
        using var stored = new RandomCodes("Q8_0", Outputs, Inner, seed: 3);
        using Int8Panels packed = Int8Panels.Pack([stored.Matrix], _team);
        using AffineMatrix lines = AffineMatrix.Pack([stored.Matrix], CodeOrder.Lines, _team);
        using var one = new ThreadTeam(1);
        float[] x = Numbers(21 * Inner), expected = new float[21 * Outputs];
        kept.Run(one, lines, x, 21, null, expected);
        foreach (int tokens in (int[])[1, 2, 3, 4, 5, 6, 7, 8, 12, 21])
        {
            float[] y = new float[tokens * Outputs];
            record.Run(_team, packed, x.AsSpan(0, tokens * Inner), tokens, null, y);
            Assert.Equal(expected[..y.Length], y);
        }
    }

    /// <summary>A code of its own at each place, read back by rows of x that are 127 at one column.</summary>
    [Theory]
    [MemberData(nameof(Records))]
    public void EveryCodeIsReadInEveryPlace(string name)
    {
        const int Outputs = 80, Inner = 256;
        // A group's largest is 127, so that its scale is 1.
        float[] w = _pinned.Make(Outputs * Inner, i => i % 32 == i / Inner % 32 ? 127 : ((i / Inner * 7) + (i % Inner * 3)) % 255 - 127f);
        using Int8Panels packed = Int8Panels.Pack([Quantised(w, Outputs, Inner)], _team);
        float[] x = new float[Inner * Inner], y = new float[Inner * Outputs];
        for (int column = 0; column < Inner; column++)
        {
            x[(column * Inner) + column] = 127;
        }
        CpuRecords.Get(name).Run(_team, packed, x, Inner, null, y);
        Assert.All(Enumerable.Range(0, y.Length), i => Assert.Equal(127 * w[(i % Outputs * Inner) + (i / Outputs)], y[i]));
    }

    [Theory]
    [MemberData(nameof(Records))]
    public void SpecialValuesStayInTheirRow(string name)
    {
        const int Outputs = 70, Inner = 288;
        CpuProduct record = CpuRecords.Get(name);
        float[] w = _pinned.Make(Outputs * Inner, _ => _random.NextSingle() * 2 - 1), x = Numbers(5 * Inner), clean = new float[5 * Outputs], y = new float[5 * Outputs];
        w[Inner] = float.NaN;
        using Int8Panels packed = Int8Panels.Pack([Quantised(w, Outputs, Inner)], _team);
        record.Run(_team, packed, x, 5, null, clean);
        x[5] = float.NaN;
        x[Inner + 280] = float.NegativeInfinity;
        Array.Clear(x, 2 * Inner, Inner);
        x[3 * Inner] = float.MaxValue;
        record.Run(_team, packed, x, 5, null, y);
        Assert.All(y[..(2 * Outputs)], value => Assert.True(float.IsNaN(value)));
        // The output whose weights have a NaN has it in every row.
        Assert.All(Enumerable.Range(2 * Outputs, 2 * Outputs), i => Assert.Equal(i % Outputs == 1, float.IsNaN(y[i])));
        Assert.All(Enumerable.Range(2 * Outputs, Outputs).Where(i => i % Outputs != 1), i => Assert.Equal(0, y[i]));
        Assert.Equal(clean[(4 * Outputs)..], y[(4 * Outputs)..]);
    }

    private static QuantisedMatrix Quantised(float[] pinned, int rows, int columns) =>
        new(MatrixSource.RowMajor(PinnedArrays.Address(pinned), ElementType.F32, rows, columns));

    private float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => _random.NextSingle() * 2 - 1)];
}
