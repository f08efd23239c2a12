using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Tests.Kernels.MatMul;

/// <summary>Random inputs of one product, and calls of the room on managed arrays.</summary>
internal sealed unsafe class MatMulCase
{
    public MatMulCase(int tokens, int rows, int columns, ElementType type, int seed = 1)
    {
        var random = new Random(seed);
        (Tokens, Rows, Columns, Type) = (tokens, rows, columns, type);
        X = Fill(tokens * columns);
        W = Fill(rows * columns);
        Bias = Fill(rows);
        if (type == ElementType.BF16)
        {
            W = [.. W.Select(Bf16.Round)];
        }

        float[] Fill(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() * 2 - 1))];
    }

    public int Tokens { get; }

    public int Rows { get; }

    public int Columns { get; }

    public ElementType Type { get; }

    public float[] X { get; }

    public float[] W { get; }

    public float[] Bias { get; }

    public byte[] WeightBytes => Type == ElementType.BF16
        ? MemoryMarshal.AsBytes<ushort>(W.Select(Bf16.FromSingle).ToArray()).ToArray()
        : MemoryMarshal.AsBytes<float>(W).ToArray();

    public PackedMatrix Pack(ThreadTeam team)
    {
        fixed (byte* data = WeightBytes)
        {
            return PackedMatrix.Pack([MatrixSource.RowMajor((nint)data, Type, Rows, Columns)], team);
        }
    }

    public float[] Run(ThreadTeam team, PackedMatrix w, MatMulPrecision precision, MatMulStrategy strategy, bool bias = true, int gap = 0) =>
        Run(team, X, Tokens, w, bias ? Bias : null, precision, strategy, gap);

    public static float[] Run(ThreadTeam team, float[] x, int tokens, PackedMatrix w, float[]? bias, MatMulPrecision precision, MatMulStrategy strategy, int gap = 0)
    {
        int stride = w.Rows + gap;
        float[] y = new float[tokens * stride];
        Array.Fill(y, -77);
        fixed (float* px = x, pb = bias, py = y)
        {
            PackedMatMul.Run(team, px, tokens, w, pb, py, stride, precision, strategy);
        }
        float[] dense = new float[tokens * w.Rows];
        for (int t = 0; t < tokens; t++)
        {
            y.AsSpan(t * stride, w.Rows).CopyTo(dense.AsSpan(t * w.Rows));
            Assert.All(y[(t * stride + w.Rows)..((t + 1) * stride)], value => Assert.Equal(-77, value));
        }
        return dense;
    }

    /// <summary>What every float32 strategy must give, bit for bit.</summary>
    public static float[] Sequential(float[] x, int tokens, float[] w, int rows, int columns, float[]? bias)
    {
        float[] y = new float[tokens * rows];
        for (int t = 0; t < tokens; t++)
        {
            for (int r = 0; r < rows; r++)
            {
                float sum = 0;
                for (int k = 0; k < columns; k++)
                {
                    sum = MathF.FusedMultiplyAdd(w[r * columns + k], x[t * columns + k], sum);
                }
                y[t * rows + r] = bias == null ? sum : sum + bias[r];
            }
        }
        return y;
    }

    public static void AssertBits(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            bool same = BitConverter.SingleToInt32Bits(expected[i]) == BitConverter.SingleToInt32Bits(actual[i]);
            Assert.True(same || (float.IsNaN(expected[i]) && float.IsNaN(actual[i])), $"element {i}: {expected[i]:R} expected, {actual[i]:R} found");
        }
    }
}
