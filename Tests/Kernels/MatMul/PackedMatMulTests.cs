using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.MatMul;

public sealed unsafe class PackedMatMulTests
{
    private static readonly int[] s_widths = [1, 2, 3, 63, 70, 300];
    private static readonly int[] s_heights = [1, 15, 17, 32, 33, 100];

    public static TheoryData<MatMulStrategy, ElementType> Strategies()
    {
        var data = new TheoryData<MatMulStrategy, ElementType>();
        foreach (MatMulStrategy strategy in new[] { MatMulStrategy.Avx512, MatMulStrategy.Avx2, MatMulStrategy.Portable })
        {
            data.Add(strategy, ElementType.BF16);
            data.Add(strategy, ElementType.F32);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Strategies))]
    public void Float32_strategies_equal_the_sequential_sum_bit_for_bit(MatMulStrategy strategy, ElementType type)
    {
        Assert.SkipUnless(PackedMatMul.IsAvailable(strategy, out string reason), reason);
        using var team = new ThreadTeam(2);
        for (int tokens = 1; tokens <= 40; tokens++)
        {
            var test = new MatMulCase(tokens, s_heights[tokens % s_heights.Length], s_widths[tokens % 5 + tokens % 2], type, tokens);
            using PackedMatrix w = test.Pack(team);
            bool bias = tokens % 3 != 0;
            float[] y = test.Run(team, w, MatMulPrecision.Float32, strategy, bias, gap: tokens % 4);
            float[] expected = MatMulCase.Sequential(test.X, tokens, test.W, test.Rows, test.Columns, bias ? test.Bias : null);
            MatMulCase.AssertBits(expected, y);
            (double[] exact, double[] magnitude) = MatMulOracle.Run(test.X, tokens, test.W, test.Rows, test.Columns, bias ? test.Bias : null);
            for (int i = 0; i < y.Length; i++)
            {
                Assert.True(Math.Abs(y[i] - exact[i]) <= (test.Columns + 2) * Math.Pow(2, -24) * magnitude[i] + 1e-37);
            }
        }
    }

    [Theory]
    [InlineData(MatMulStrategy.Avx512)]
    [InlineData(MatMulStrategy.Avx2)]
    [InlineData(MatMulStrategy.Portable)]
    public void Bf16_precision_rounds_activations(MatMulStrategy strategy)
    {
        Assert.SkipUnless(PackedMatMul.IsAvailable(strategy, out string reason), reason);
        using var team = new ThreadTeam(2);
        var test = new MatMulCase(13, 33, 71, ElementType.BF16);
        using PackedMatrix w = test.Pack(team);
        float[] rounded = [.. test.X.Select(Bf16.Round)];
        float[] expected = MatMulCase.Sequential(rounded, 13, test.W, 33, 71, test.Bias);
        MatMulCase.AssertBits(expected, test.Run(team, w, MatMulPrecision.BFloat16, strategy));
    }

    [Fact]
    public void Dot_instruction_is_within_its_error_bound()
    {
        Assert.SkipUnless(PackedMatMul.IsAvailable(MatMulStrategy.Avx512Bf16, out string reason), reason);
        using var team = new ThreadTeam(2);
        for (int tokens = 1; tokens <= 40; tokens++)
        {
            var test = new MatMulCase(tokens, s_heights[tokens % s_heights.Length], s_widths[tokens % 5 + tokens % 2], ElementType.BF16, tokens);
            using PackedMatrix w = test.Pack(team);
            float[] y = test.Run(team, w, MatMulPrecision.BFloat16, MatMulStrategy.Avx512Bf16, gap: tokens % 3);
            float[] rounded = [.. test.X.Select(Bf16.Round)];
            (double[] exact, double[] magnitude) = MatMulOracle.Run(rounded, tokens, test.W, test.Rows, test.Columns, test.Bias);
            for (int i = 0; i < y.Length; i++)
            {
                Assert.True(Math.Abs(y[i] - exact[i]) <= 2 * (test.Columns + 2) * Math.Pow(2, -24) * magnitude[i] + 1e-37, $"T={tokens} element {i}: {y[i]} for {exact[i]}");
            }
        }
    }

    [Theory]
    [InlineData(MatMulStrategy.Avx512Bf16, MatMulPrecision.BFloat16, ElementType.BF16)]
    [InlineData(MatMulStrategy.Avx512, MatMulPrecision.Float32, ElementType.BF16)]
    [InlineData(MatMulStrategy.Avx512, MatMulPrecision.Float32, ElementType.F32)]
    [InlineData(MatMulStrategy.Avx2, MatMulPrecision.Float32, ElementType.BF16)]
    public void Results_depend_on_neither_threads_nor_batch(MatMulStrategy strategy, MatMulPrecision precision, ElementType type)
    {
        Assert.SkipUnless(PackedMatMul.IsAvailable(strategy, out string reason), reason);
        // Wide enough for several cuts of k.
        var test = new MatMulCase(61, 75, 1501, type);
        using var one = new ThreadTeam(1);
        using PackedMatrix w = test.Pack(one);
        float[] reference = test.Run(one, w, precision, strategy);
        foreach (int threads in new[] { 2, 3, 5 })
        {
            using var team = new ThreadTeam(threads);
            using PackedMatrix again = test.Pack(team);
            Assert.True(new ReadOnlySpan<byte>(w.Data, (int)w.Bytes).SequenceEqual(new ReadOnlySpan<byte>(again.Data, (int)again.Bytes)));
            MatMulCase.AssertBits(reference, test.Run(team, w, precision, strategy));
        }
        foreach (int batch in new[] { 1, 2, 5, 7, 12, 14, 29 })
        {
            float[] y = MatMulCase.Run(one, test.X[^(batch * 1501)..], batch, w, test.Bias, precision, strategy);
            MatMulCase.AssertBits(reference[^(batch * 75)..], y);
        }
    }

    [Theory]
    [MemberData(nameof(Strategies))]
    public void Special_values_follow_ieee(MatMulStrategy strategy, ElementType type)
    {
        Assert.SkipUnless(PackedMatMul.IsAvailable(strategy, out string reason), reason);
        using var team = new ThreadTeam(2);
        float[] special = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, -0f, 0f, Bf16.ToSingle(1), Bf16.ToSingle(0x7f7f)];
        for (int i = 0; i < special.Length; i++)
        {
            var test = new MatMulCase(5, 20, 7, type, i);
            test.X[2 * 7 + i] = special[(i + 3) % special.Length];
            test.W[4 * 7 + i] = special[i];
            test.W[4 * 7 + 6 - i] = special[(i * 2) % special.Length];
            using PackedMatrix w = test.Pack(team);
            float[] expected = MatMulCase.Sequential(test.X, 5, test.W, 20, 7, test.Bias);
            MatMulCase.AssertBits(expected, test.Run(team, w, MatMulPrecision.Float32, strategy));
        }
    }

    [Fact]
    public void Dot_instruction_propagates_nan_and_infinity_to_their_row_only()
    {
        Assert.SkipUnless(PackedMatMul.IsAvailable(MatMulStrategy.Avx512Bf16, out string reason), reason);
        using var team = new ThreadTeam(1);
        var test = new MatMulCase(3, 20, 7, ElementType.BF16);
        test.W[4 * 7 + 6] = float.NaN;
        test.W[5 * 7 + 1] = float.PositiveInfinity;
        using PackedMatrix w = test.Pack(team);
        float[] y = test.Run(team, w, MatMulPrecision.BFloat16, MatMulStrategy.Avx512Bf16);
        for (int i = 0; i < y.Length; i++)
        {
            Assert.Equal(i % 20 == 4, float.IsNaN(y[i]));
            Assert.Equal(i % 20 == 5, float.IsInfinity(y[i]));
        }
    }

    [Fact]
    public void Wrong_calls_are_refused()
    {
        using var team = new ThreadTeam(1);
        var test = new MatMulCase(1, 4, 4, ElementType.F32);
        using PackedMatrix w = test.Pack(team);
        float[] x = new float[4], y = new float[4];
        fixed (float* px = x, py = y)
        {
            float* input = px, output = py;
            Assert.Throws<ArgumentException>(() => PackedMatMul.Run(team, input, 1, w, null, output, 3));
            Assert.Throws<ArgumentOutOfRangeException>(() => PackedMatMul.Run(team, input, -1, w, null, output, 4));
            Assert.Throws<ArgumentException>(() => PackedMatMul.Run(team, input, 1, w, null, output, 4, MatMulPrecision.BFloat16, MatMulStrategy.Avx512Bf16));
            PackedMatMul.Run(team, input, 0, w, null, output, 4);
            w.Dispose();
            Assert.Throws<ObjectDisposedException>(() => PackedMatMul.Run(team, input, 1, w, null, output, 4));
        }
    }
}
