using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Interop.Memory;
using Llama4Kernels.Tests.Kernels.MatMul;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>Products of codes as other tools store them with rows rounded to int8, by every record of <see cref="CodedProduct"/>.</summary>
public sealed unsafe class CodedProductTests : IDisposable
{
    private readonly ThreadTeam _team = new(2);

    public static TheoryData<string> Records { get; } = CpuRecords.Names(CodedProduct.Products);

    /// <summary>Those of the float products that hold integers, and widths of more than one slice.</summary>
    public static TheoryData<string, int, int> Matrices()
    {
        TheoryData<string, int, int> matrices = [];
        foreach ((string name, int rows, int columns) in AffineProductTests.Matrices().Select(row => row.Data).Where(row => !row.Item1.StartsWith("fp8", StringComparison.Ordinal)))
        {
            matrices.Add(name, rows, columns);
        }
        foreach ((string name, int columns) in ((string, int)[])[("Q4_K", 1280), ("Q6_K", 768), ("Q8_0", 1184), ("int8row-f32", 1413), ("uint4g64-bf16-affine", 832)])
        {
            matrices.Add(name, 70, columns);
        }
        return matrices;
    }

    public void Dispose() => _team.Dispose();

    /// <summary>Weights keep their bits in this order of codes too; every record has the oracle's products and the bits of a row alone without vectors.</summary>
    [Theory]
    [MemberData(nameof(Matrices))]
    public void WeightsAreKeptAndAllRecordsHaveTheSameBits(string name, int rows, int columns)
    {
        const int Tokens = 15;
        using var stored = new RandomCodes(name, rows, columns, seed: 3);
        float[] weights = stored.Values(), x = Numbers(Tokens * columns, 4), bias = Numbers(rows, 5);
        using AffineMatrix packed = AffineMatrix.Pack([stored.Matrix], CodeOrder.Lines, _team);
        for (int i = 0; i < weights.Length; i++)
        {
            float kept = packed.Weight(i / columns, i % columns);
            Assert.True(BitConverter.SingleToUInt32Bits(weights[i]) == BitConverter.SingleToUInt32Bits(kept), $"weight {i}: {weights[i]:R} became {kept:R}");
        }
        float[] alone = new float[Tokens * rows];
        for (int t = 0; t < Tokens; t++)
        {
            CpuRecords.Get("matmul_coded_int8_scalar").Run(_team, packed, x.AsSpan(t * columns, columns), 1, bias, alone.AsSpan(t * rows, rows));
        }
        float[] rounded = QuantizationOracle.Int8Rounded(x, columns);
        (double[] expected, double[] magnitude) = MatMulOracle.Run(rounded, weights, bias, Tokens, rows, columns, roundX: false);
        Assert.All(Enumerable.Range(0, alone.Length), i =>
            Assert.True(Math.Abs(alone[i] - expected[i]) <= 2e-6 * magnitude[i], $"y[{i}] = {alone[i]}, expected {expected[i]} ± {magnitude[i]}"));
        using var single = new ThreadTeam(1);
        foreach (CpuProduct record in CpuRecords.Here(CodedProduct.Products))
        {
            foreach (int tokens in (int[])[1, 2, 3, 4, 7, Tokens])
            {
                float[] y = new float[Tokens * rows];
                for (int t = 0; t < Tokens; t += tokens)
                {
                    int count = Math.Min(tokens, Tokens - t);
                    record.Run(tokens == 4 ? single : _team, packed, x.AsSpan(t * columns, count * columns), count, bias, y.AsSpan(t * rows, count * rows));
                }
                Assert.True(alone.AsSpan().SequenceEqual(y), $"{record.Name}, {tokens} tokens: other bits");
            }
        }
    }

    /// <summary>Loading fills small pages at once, and the system may make large ones of them afterwards.</summary>
    [Fact]
    public void FilledPanelsMayLieInLargePages()
    {
        ProcessMapping.SkipUnlessTold();
        using var stored = new RandomCodes("Q4_K", 2048, 4096, seed: 6);
        using AffineMatrix packed = AffineMatrix.Pack([stored.Matrix], CodeOrder.Lines, _team);
        Assert.InRange(packed.Bytes, 2 * HugePages.Bytes, 4 * HugePages.Bytes);
        (nint address, long bytes) = packed.Memory;
        Assert.Equal(0, address % HugePages.Bytes);
        Assert.Contains("hg", ProcessMapping.Read(address, "VmFlags").Split(' '));
        Assert.True(ProcessMapping.PresentBytes(address, bytes) >= bytes / HugePages.Bytes * HugePages.Bytes);
    }

    /// <summary>Rows of x that are 127 at one column read each weight back, exactly where it has no offset.</summary>
    [Theory]
    [MemberData(nameof(Records))]
    public void EveryCodeMeetsEveryLane(string record)
    {
        foreach (string name in (string[])["uint2g16-f32-affine", "Q2_K", "Q3_K", "int4g32-bf16", "Q4_K", "Q5_K", "Q6_K", "int8g32-bf16", "IQ4_NL", "MXFP4", "uint8row-f32-zero"])
        {
            int columns = name[0] == 'Q' ? 256 : 160;
            using var stored = new RandomCodes(name, 40, columns, seed: 6);
            using AffineMatrix packed = AffineMatrix.Pack([stored.Matrix], CodeOrder.Lines, _team);
            float[] weights = stored.Values(), x = new float[columns * columns], y = new float[columns * 40];
            for (int c = 0; c < columns; c++)
            {
                x[c * columns + c] = 127;
            }
            CpuRecords.Get(record).Run(_team, packed, x, columns, null, y);
            float largest = weights.Max(Math.Abs);
            Assert.All(Enumerable.Range(0, y.Length), i =>
            {
                float weight = weights[i % 40 * columns + i / 40];
                Assert.True(Math.Abs(y[i] - 127 * weight) <= (stored.Matrix.Codes.Offset == OffsetKind.None ? 1e-7f * Math.Abs(127 * weight) : 1e-4f * largest), $"{name}, column {i / 40}, row {i % 40}: {y[i] / 127} for {weight}");
            });
        }
    }

    /// <summary>More rows than an item takes, stacked matrices, a panel that ends early.</summary>
    [Fact]
    public void ManyRowsAndStackedMatricesChangeNothing()
    {
        const int Columns = 288, Tokens = 517;
        using var upper = new RandomCodes("uint4g32-bf16-zero", 19, Columns, seed: 7);
        using var lower = new RandomCodes("uint4g32-bf16-zero", 24, Columns, seed: 8);
        using AffineMatrix packed = AffineMatrix.Pack([upper.Matrix, lower.Matrix], CodeOrder.Lines, _team);
        float[] x = Numbers(Tokens * Columns, 9), y = new float[Tokens * 43], one = new float[43];
        CpuProduct record = CpuRecords.Here(CodedProduct.Products).First();
        record.Run(_team, packed, x, Tokens, null, y);
        for (int t = 0; t < Tokens; t += 43)
        {
            record.Run(_team, packed, x.AsSpan(t * Columns, Columns), 1, null, one);
            Assert.Equal(one, y.AsSpan(t * 43, 43).ToArray());
        }
    }

    [Theory]
    [MemberData(nameof(Records))]
    public void SpecialValuesStayInTheirRow(string name)
    {
        const int Outputs = 40, Inner = 256;
        CpuProduct record = CpuRecords.Get(name);
        foreach (string format in (string[])["Q4_K", "Q8_0", "IQ4_XS"])
        {
            using var stored = new RandomCodes(format, Outputs, Inner, seed: 9);
            using AffineMatrix packed = AffineMatrix.Pack([stored.Matrix], CodeOrder.Lines, _team);
            float[] x = Numbers(6 * Inner, 10), clean = new float[6 * Outputs], y = new float[6 * Outputs];
            record.Run(_team, packed, x, 6, null, clean);
            x[5] = float.NaN;
            x[Inner + 200] = float.NegativeInfinity;
            Array.Clear(x, 2 * Inner, Inner);
            Array.Fill(x, float.Epsilon, 3 * Inner, Inner);
            x[4 * Inner] = 1e30f;
            record.Run(_team, packed, x, 6, null, y);
            Assert.All(y[..(2 * Outputs)], value => Assert.True(float.IsNaN(value)));
            Assert.All(y[(2 * Outputs)..(4 * Outputs)], value => Assert.Equal(0, value));
            Assert.All(y[(4 * Outputs)..(5 * Outputs)], value => Assert.True(float.IsFinite(value)));
            Assert.Equal(clean[(5 * Outputs)..], y[(5 * Outputs)..]);
        }
    }

    /// <summary>Sums of x for each run: as integers times the bias, as floats without one, or as pairs of 16 bits; the columns that are missing are zero.</summary>
    [Theory]
    [InlineData(8, 0, false)]
    [InlineData(4, 128, false)]
    [InlineData(2, 8, false)]
    [InlineData(8, 0, true)]
    [InlineData(4, 0, true)]
    public void RowsComeWithTheSumsOfTheirRuns(int runs, int bias, bool arePairs)
    {
        const int Rows = 5, Columns = 150;
        var form = new Int8Form(runs, bias, arePairs);
        float[] x = Numbers(Rows * Columns, 11);
        // The largest sums.
        Array.Fill(x, -0.25f, 0, Columns);
        byte[] operand = GC.AllocateUninitializedArray<byte>((int)Int8Operand.Bytes(Rows, Columns, form), pinned: true);
        byte* at = (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(operand, 0);
        fixed (float* from = x)
        {
            Int8Operand.Quantise(new ProductTeam(_team), from, Rows, Columns, form, at);
        }
        foreach ((int first, int height) in ((int, int)[])[(0, 4), (4, 1)])
        {
            for (int g = 0; g < 2; g++, at += height * form.GroupBytes)
            {
                for (int r = 0; r < height; r++)
                {
                    sbyte* codes = (sbyte*)at + 4 * height * (form.SumWords + 1);
                    float scale = ((float*)at)[form.SumWords * height + r];
                    for (int run = 0; run < runs; run++)
                    {
                        int sum = 0;
                        for (int k = run * 128 / runs; k < (run + 1) * 128 / runs; k++)
                        {
                            int code = codes[(k / 4 * height + r) * 4 + k % 4], column = g * 128 + k;
                            double value = column < Columns ? x[(first + r) * Columns + column] : 0;
                            Assert.True(Math.Abs(value - code * (double)scale) <= 0.5001 * scale);
                            sum += code;
                        }
                        float own = arePairs ? ((short*)at)[(run / 2 * height + r) * 2 + run % 2]
                            : bias == 0 ? ((float*)at)[run * height + r] : ((int*)at)[run * height + r];
                        Assert.Equal(bias == 0 ? sum : -bias * sum, own);
                    }
                }
            }
        }
    }

    private static float[] Numbers(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
    }
}
