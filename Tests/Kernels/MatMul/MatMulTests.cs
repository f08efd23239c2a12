using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.MatMul;

public sealed unsafe class MatMulTests : IDisposable
{
    private readonly ThreadTeam _team = new(2);

    public static TheoryData<string> Records { get; } = CpuRecords.Names(MatMulDot.Products.Where(record => record.Format == WeightFormat.BF16).Concat(MatMulCpu.Products));

    [Theory]
    [MemberData(nameof(Records))]
    public void EqualsTheOracleOverOddSizes(string name)
    {
        CpuProduct record = CpuRecords.Get(name);
        foreach (int tokens in (int[])[1, 2, 3, 5, 11, 12, 13, 25])
        {
            foreach ((int rows, int columns) in ((int, int)[])[(1, 1), (15, 3), (17, 63), (32, 64), (33, 70), (97, 130), (160, 257)])
            {
                Case c = new(tokens, rows, columns, record, seed: tokens * 1000 + rows);
                bool withBias = (rows & 1) != 0;
                float[] y = c.Run(_team, withBias);
                (double[] expected, double[] magnitude) = MatMulOracle.Run(c.X, c.W, withBias ? c.Bias : null, tokens, rows, columns, record.Operands == ActivationPrecision.BFloat16);
                for (int i = 0; i < y.Length; i++)
                {
                    Assert.True(Math.Abs(y[i] - expected[i]) <= 1e-6 * magnitude[i], $"T={tokens} [{rows},{columns}] element {i}: {y[i]} for {expected[i]}");
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Records))]
    public void DoesNotDependOnTheBatchOrTheThreads(string name)
    {
        Case all = new(29, 75, 121, CpuRecords.Get(name), seed: 5);
        float[] together = all.Run(_team, true);
        using var one = new ThreadTeam(1);
        for (int t = 0; t < 29; t++)
        {
            Case single = all with { Tokens = 1, X = all.X[(t * 121)..((t + 1) * 121)] };
            Assert.Equal(together[(t * 75)..((t + 1) * 75)], single.Run(one, true));
        }
    }

    /// <summary>One order of sums, of each kind of operands, whatever runs them.</summary>
    [Fact]
    public void EveryRecordHasTheBitsOfTheOneWithoutVectors()
    {
        foreach (IGrouping<string, CpuProduct> records in CpuRecords.Here(MatMulCpu.Products).GroupBy(record => record.Name[..record.Name.LastIndexOf('_')]))
        {
            foreach (int tokens in (int[])[1, 2, 3, 4, 5, 6, 7, 9, 12, 26])
            {
                float[] expected = new Case(tokens, 70, 333, records.Last(), seed: tokens).Run(_team, true);
                Assert.All(records, record => Assert.Equal(expected, new Case(tokens, 70, 333, record, seed: tokens).Run(_team, true)));
            }
        }
    }

    /// <summary>More columns than a block has, more rows than an item takes, and every height of tiles: the oracle's sums, the bits of a row alone.</summary>
    [Theory]
    [MemberData(nameof(Records))]
    public void BlocksOfColumnsAndSharesOfRowsChangeNothing(string name)
    {
        const int Outputs = 37, Columns = 2109;
        Case all = new(530, Outputs, Columns, CpuRecords.Get(name), seed: 6);
        float[] alone = [.. Enumerable.Range(0, 20).SelectMany(t => (all with { Tokens = 1, X = all.X[(t * Columns)..((t + 1) * Columns)] }).Run(_team, true))];
        (double[] expected, double[] magnitude) = MatMulOracle.Run(all.X[..(20 * Columns)], all.W, all.Bias, 20, Outputs, Columns, all.Record.Operands == ActivationPrecision.BFloat16);
        Assert.All(Enumerable.Range(0, alone.Length), i => Assert.True(Math.Abs(alone[i] - expected[i]) <= 1e-6 * magnitude[i], $"element {i}: {alone[i]} for {expected[i]}"));
        foreach (int tokens in (int[])[2, 3, 4, 6, 7, 8, 9, 16, 17, 20])
        {
            Assert.Equal(alone[..(tokens * Outputs)], (all with { Tokens = tokens, X = all.X[..(tokens * Columns)] }).Run(_team, true));
        }
        float[] together = all.Run(_team, true);
        Assert.Equal(alone, together[..alone.Length]);
        Assert.Equal((all with { Tokens = 1, X = all.X[^Columns..] }).Run(_team, true), together[^Outputs..]);
    }

    [Theory]
    [MemberData(nameof(Records))]
    public void SpecialValuesPropagateAndStayInTheirRow(string name)
    {
        Case c = new(4, 40, 33, CpuRecords.Get(name), seed: 9);
        c.X[5] = float.NaN;
        c.X[33 + 32] = float.PositiveInfinity; // the odd last column, whose partner is padding
        c.X[66 + 4] = -0f;
        float[] y = c.Run(_team, false);
        Assert.All(y[..40], v => Assert.True(float.IsNaN(v)));
        for (int r = 0; r < 40; r++)
        {
            Assert.Equal(c.W[r * 33 + 32] > 0 ? float.PositiveInfinity : float.NegativeInfinity, y[40 + r]);
            Assert.True(float.IsFinite(y[80 + r]) && float.IsFinite(y[120 + r]));
        }
    }

    [Fact]
    public void PacksStackedStridedAndUnalignedSources()
    {
        // Logical [3, 5] twice: once transposed in memory at an odd address, once row-major.
        byte* memory = stackalloc byte[128];
        ushort* transposed = (ushort*)(memory + 1);
        ushort* plain = (ushort*)(memory + 64);
        for (int r = 0; r < 3; r++)
        {
            for (int c = 0; c < 5; c++)
            {
                transposed[c * 3 + r] = Bf16.FromSingle(r * 10 + c);
                plain[r * 5 + c] = Bf16.FromSingle(100 + r * 10 + c);
            }
        }
        using PackedMatrix packed = PackedMatrix.Pack(
            [new StridedMatrix((nint)transposed, ElementType.BF16, 3, 5, 1, 3), MatrixSource.RowMajor((nint)plain, ElementType.BF16, 3, 5)], null, _team);
        Assert.Equal((6, 5, WeightFormat.BF16), (packed.Rows, packed.Columns, packed.Format));
        float[] y = new float[6];
        for (int c = 0; c < 5; c++)
        {
            float[] x = new float[5];
            x[c] = 1;
            Best(WeightFormat.BF16).Run(_team, packed, x, 1, null, y);
            Assert.Equal([c, 10 + c, 20 + c, 100 + c, 110 + c, 120 + c], y);
        }
    }

    [Fact]
    public void Fp8WeightsAreCodeTimesRowScale()
    {
        byte* column = stackalloc byte[2];
        float[] y = new float[2];
        ushort* scales = stackalloc ushort[2];
        scales[0] = Bf16.FromSingle(0.5f);
        scales[1] = Bf16.FromSingle(3);
        foreach (int code in Enumerable.Range(0, 256).Where(c => (c & 0x7f) != 0x7f))
        {
            int e = (code >> 3) & 15, m = code & 7;
            double value = (e == 0 ? m / 8.0 * Math.Pow(2, -6) : (1 + m / 8.0) * Math.Pow(2, e - 7)) * (code < 128 ? 1 : -1);
            column[0] = column[1] = (byte)code;
            using PackedMatrix packed = PackedMatrix.Pack([new StridedMatrix((nint)column, ElementType.F8E4M3, 2, 1, 1, 1, (nint)scales, ElementType.BF16)], WeightFormat.F32, _team);
            Best(WeightFormat.F32).Run(_team, packed, [1], 1, null, y);
            Assert.Equal([(float)(value * 0.5), (float)(value * 3)], y);
        }
    }

    [Fact]
    public void RefusesSourcesOfDifferentWidth()
    {
        ushort* data = stackalloc ushort[12];
        using var team = new ThreadTeam(1);
        ArgumentException error = Assert.Throws<ArgumentException>(() => PackedMatrix.Pack(
            [MatrixSource.RowMajor((nint)data, ElementType.BF16, 2, 3), MatrixSource.RowMajor((nint)data, ElementType.BF16, 3, 4)], null, team));
        Assert.Contains("[3, 4]", error.Message);
        Assert.Throws<ArgumentException>(() => PackedMatrix.Pack([], null, team));
    }

    public void Dispose() => _team.Dispose();

    private static CpuProduct Best(WeightFormat format) => CpuRecords.Here(MatMulCpu.Products).First(record => record.Format == format && record.Operands == ActivationPrecision.Float32);

    private sealed record Case(int Tokens, int Rows, int Columns, CpuProduct Record)
    {
        public Case(int tokens, int rows, int columns, CpuProduct record, int seed)
            : this(tokens, rows, columns, record)
        {
            var random = new Random(seed);
            float Next() => (float)(random.NextDouble() * 2 - 1);
            X = [.. Enumerable.Range(0, tokens * columns).Select(_ => Next())];
            W = [.. Enumerable.Range(0, rows * columns).Select(_ => record.Format == WeightFormat.BF16 ? Bf16.Round(Next()) : Next())];
            Bias = [.. Enumerable.Range(0, rows).Select(_ => Next())];
        }

        public float[] X { get; init; } = [];

        public float[] W { get; init; } = [];

        public float[] Bias { get; init; } = [];

        public float[] Run(ThreadTeam team, bool withBias)
        {
            float[] y = new float[Tokens * Rows];
            fixed (float* w = W)
            {
                using PackedMatrix packed = PackedMatrix.Pack([MatrixSource.RowMajor((nint)w, ElementType.F32, Rows, Columns)], Record.Format, team);
                Record.Run(team, packed, X, Tokens, withBias ? Bias : null, y);
            }
            return y;
        }
    }
}
