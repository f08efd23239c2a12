using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Ilgpu;

public abstract partial class DeviceKernelTests
{
    public static TheoryData<string, int, int, int> Shapes()
    {
        TheoryData<string, int, int, int> shapes = [];
        foreach (string format in (string[])["f32", "bf16", "fp8", "fp8a"])
        {
            shapes.Add(format, 1, 5, 33);
            shapes.Add(format, 5, 3, 36);
            shapes.Add(format, 9, 11, 18);
        }
        shapes.Add("int4", 1, 5, 128);
        shapes.Add("int4", 6, 9, 256);
        return shapes;
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Products(string format, int tokens, int outputs, int inner)
    {
        (DeviceBuffer w, DeviceBuffer? scales, float[] weights) = Weights(format, outputs, inner, 20);
        (object?[] xs, float[] x) = Activations(format, tokens, inner);
        foreach (bool withBias in (bool[])[true, false])
        {
            float[] bias = Numbers(outputs, 7);
            DeviceBuffer? biases = withBias ? _device.Upload(bias) : null;
            double[] expected = MatMulOracle.Run(x, weights, withBias ? bias : null, tokens, outputs, inner, false).Y;
            DeviceBuffer y = Zeros<float>(tokens * outputs);
            Run($"matvec_{format}", (outputs, (tokens + 3) / 4, 1), [.. xs, w, scales, biases, y, tokens, outputs, inner]);
            float[] vector = Floats(y);
            Closeness.Check(expected, vector, 2e-6);
            y = Zeros<float>(tokens * outputs);
            RunTiled($"matmul_{format}", outputs, tokens, 1, [.. xs, w, scales, biases, y, tokens, outputs, inner, Sets]);
            AssertSame(vector, Floats(y));
        }
    }

    [Theory]
    [InlineData("f32", 0)]
    [InlineData("bf16", 2)]
    [InlineData("fp8", 1)]
    [InlineData("fp8a", 0)]
    [InlineData("int4", -1)]
    public void ProductsOfSeveralTilesAndTurns(string format, int odd) =>
        Products(format, 4 * _device.Side + 3, 8 * _device.Side + 1, odd < 0 ? 384 : 4 * N + 20 + odd);

    [Theory]
    [InlineData("f32", 18)]
    [InlineData("bf16", 16)]
    [InlineData("fp8", 7)]
    [InlineData("fp8a", 12)]
    [InlineData("int4", 128)]
    public void ExpertsTakeTheirOwnRowsInOneLaunch(string format, int inner)
    {
        const int Experts = 4, Outputs = 5;
        // Expert 1 has no rows, expert 2 more than a tile.
        int many = 4 * _device.Side + 1;
        int[] starts = [0, 2, 2, 2 + many, 3 + many], rowExperts = [0, 0, .. Enumerable.Repeat(2, many), 3];
        (DeviceBuffer w, DeviceBuffer? scales, float[] weights) = Weights(format, Experts * Outputs, inner, 21);
        (object?[] xs, float[] x) = Activations(format, rowExperts.Length, inner);
        double[] all = MatMulOracle.Run(x, weights, null, rowExperts.Length, Experts * Outputs, inner, false).Y;
        double[] expected = [.. rowExperts.SelectMany((expert, row) => all[(row * Experts * Outputs + expert * Outputs)..(row * Experts * Outputs + (expert + 1) * Outputs)])];
        DeviceBuffer y = Zeros<float>(expected.Length);
        RunTiled($"expert_matmul_{format}", Outputs, rowExperts.Length, Experts, [.. xs, w, scales, _device.Upload(starts), y, Outputs, inner, Sets]);
        float[] tiled = Floats(y);
        Closeness.Check(expected, tiled, 2e-6);
        y = Zeros<float>(expected.Length);
        Run($"expert_matvec_{format}", (Outputs, rowExperts.Length, 1), [.. xs, w, scales, _device.Upload(rowExperts), y, Outputs, inner]);
        AssertSame(tiled, Floats(y));
    }

    [Fact]
    public void AProductKeepsWhatIsNotANumberInItsRow()
    {
        float[] x = Numbers(3 * 8, 22), w = Numbers(4 * 8, 23);
        x[8] = float.NaN;
        x[16] = float.PositiveInfinity;
        w[0] = 1f;
        w[8] = -1f;
        foreach (bool tiled in (bool[])[false, true])
        {
            DeviceBuffer y = Zeros<float>(12);
            object?[] arguments = [_device.Upload(x), _device.Upload(w), null, null, y, 3, 4, 8];
            if (tiled)
            {
                RunTiled("matmul_f32", 4, 3, 1, [.. arguments, Sets]);
            }
            else
            {
                Run("matvec_f32", (4, 1, 1), arguments);
            }
            float[] result = Floats(y);
            Assert.All(result[..4], value => Assert.True(float.IsFinite(value)));
            Assert.All(result[4..8], value => Assert.True(float.IsNaN(value)));
            Assert.Equal([float.PositiveInfinity, float.NegativeInfinity], result[8..10]);
        }
    }

    [Theory]
    [InlineData(1200f)]
    [InlineData(float.PositiveInfinity)]
    public void ActivationsBecomeTheProcessorsFp8Codes(float bound)
    {
        const int Columns = 9;
        float[] x = [.. Numbers(Columns, 24), .. Numbers(Columns, 25, 5000f), .. new float[Columns], .. Numbers(Columns, 26, 1e-4f), .. Numbers(Columns, 27)];
        x[^2] = float.NaN;
        DeviceBuffer codes = Zeros<byte>(x.Length), scales = Zeros<float>(5);
        Run("quantise_fp8", (5, 1, 1), _device.Upload(x), codes, scales, Columns, bound);
        float[] factors = Floats(scales);
        byte[] actual = _device.Download<byte>(codes);
        for (int row = 0; row < 5; row++)
        {
            float[] values = x[(row * Columns)..((row + 1) * Columns)];
            float scale = Quantiser.Fp8Scale(MathF.Min(values.Where(float.IsFinite).Max(MathF.Abs), bound));
            Assert.Equal(scale, factors[row]);
            Assert.Equal(Array.ConvertAll(values, value => Fp8.FromSingle(value / scale) & (float.IsNaN(value) ? 0x7f : 0xff)), Enumerable.Range(0, Columns).Select(c => actual[row * Columns + c] & (float.IsNaN(values[c]) ? 0x7f : 0xff)));
        }
    }

    /// <summary>Sums of four classes that a group of the kernels for few rows makes: tiles are told so many.</summary>
    private int Sets => (N + 3) / 4;

    /// <summary>Both forms of a product give a row the same bits, unless a group has fewer threads than a tile has quads.</summary>
    private void AssertSame(float[] expected, float[] actual)
    {
        if (N < 4)
        {
            Closeness.Check(Array.ConvertAll(expected, value => (double)value), actual, 2e-6);
        }
        else
        {
            Assert.Equal(Array.ConvertAll(expected, BitConverter.SingleToInt32Bits), Array.ConvertAll(actual, BitConverter.SingleToInt32Bits));
        }
    }

    private void RunTiled(string kernel, int outputs, int rows, int depth, params object?[] arguments)
    {
        int extent = 4 * _device.Side;
        _device.Launch(kernel, ((outputs + extent - 1) / extent, (rows + extent - 1) / extent, depth), (_device.Side, _device.Side), arguments);
    }

    private (object?[] Arguments, float[] Values) Activations(string format, int rows, int inner)
    {
        float[] x = Numbers(rows * inner, 6);
        if (format != "fp8a")
        {
            return ([_device.Upload(x)], x);
        }
        byte[] codes = Array.ConvertAll(x, value => Fp8.FromSingle(value * 100));
        float[] scales = Numbers(rows, 19);
        return ([_device.Upload(codes), _device.Upload(scales)], [.. codes.Select((code, i) => Fp8.ToSingle(code) * scales[i / inner])]);
    }

    private (DeviceBuffer Stored, DeviceBuffer? Scales, float[] Values) Weights(string format, int rows, int inner, int seed)
    {
        float[] w = Numbers(rows * inner, seed), scales = Numbers(rows, seed + 1), groups = Numbers(rows * inner / 128, seed + 2);
        switch (format)
        {
            case "f32":
                return (_device.Upload(w), null, w);
            case "bf16":
                return (_device.Upload(Array.ConvertAll(w, Bf16.FromSingle)), _device.Upload(scales), [.. w.Select((value, i) => Bf16.Round(value) * scales[i / inner])]);
            case "int4":
                int[] codes = Array.ConvertAll(w, value => (int)MathF.Round(value * 7.5f - 0.5f));
                Assert.Contains(-8, codes);
                Assert.Contains(7, codes);
                byte[] packed = [.. Enumerable.Range(0, codes.Length / 2).Select(i => (byte)((codes[2 * i] & 15) | (codes[2 * i + 1] & 15) << 4))];
                return (_device.Upload(packed), _device.Upload(groups), [.. codes.Select((code, i) => code * groups[i / 128])]);
            default:
                byte[] bytes = Array.ConvertAll(w, value => Fp8.FromSingle(value * 50));
                return (_device.Upload(bytes), _device.Upload(scales), [.. bytes.Select((code, i) => Fp8.ToSingle(code) * scales[i / inner])]);
        }
    }
}
