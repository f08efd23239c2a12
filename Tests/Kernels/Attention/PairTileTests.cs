using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Kernels.Attention;

/// <summary>
/// The products of every form over pairs against sums in float64, of small whole numbers: every sum of theirs is exact, so that the
/// results are equal whatever the order. What lies behind the rows that count is NaN.
/// </summary>
public sealed unsafe class PairTileTests
{
    /// <summary>Rows of the runs, then those that count.</summary>
    public static TheoryData<int[], int> Counts() => new()
    {
        { [128], 128 },
        { [128], 1 },
        { [128], 2 },
        { [64, 64], 127 },
        { [3, 3, 3], 8 },
        { [1, 1], 2 },
        { [20, 11], 31 },
        { [64, 10], 69 },
    };

    [Theory]
    [MemberData(nameof(Counts))]
    public void SumsAreThoseOfWholeNumbers(int[] runs, int count)
    {
        for (int rows = 1; rows <= PairTile.MaxRows; rows++)
        {
            for (int panel = 1; panel <= 4; panel++)
            {
                for (int vectors = 1; vectors <= panel; vectors++)
                {
                    PairShape shape = new(rows, vectors, panel, (rows + vectors) % 2 == 0, (rows + panel) % 2 == 0, (rows + vectors) % 4 is int lines and not 3 ? lines : 4);
                    Check<WidePairTile>(shape, runs, count);
                    Check<MediumPairTile>(shape, runs, count);
                    Check<NarrowPairTile>(shape, runs, count);
                    if (CpuLimits.This.WhyNoDot() is null)
                    {
                        Check<DotPairTile>(shape, runs, count);
                    }
                }
            }
        }
    }

    private static void Check<TTile>(PairShape shape, int[] runRows, int count)
        where TTile : struct, IPairTile
    {
        var random = new Random(count + shape.Rows);
        float Whole() => random.Next(-9, 10);
        int columns = 16 * shape.PanelVectors, stride = shape.IsScores ? PairTile.ScoreStride : PairTile.SumStride;
        using var panels = new HostBytes(runRows.Sum(rows => (rows + 1) / 2 * 2 * columns * sizeof(ushort)));
        using var x = new HostBytes((PairTile.MaxRows * PairTile.OperandStride + 32) * TTile.OperandBytes);
        using var y = new HostBytes(PairTile.MaxRows * stride * sizeof(float));
        using var list = new HostBytes(runRows.Length * sizeof(PairRun));
        float[,] b = new float[count, columns], a = new float[shape.Rows, count];
        float[] factors = [.. Enumerable.Range(0, PairTile.MaxRows).Select(_ => Whole())];
        float* result = (float*)y.Address;
        double[,] expected = new double[shape.Rows, 16 * shape.Vectors];
        new Span<ushort>(panels.Address, panels.Length / sizeof(ushort)).Fill(0x7fc1);

        PairRun* run = (PairRun*)list.Address;
        ushort* at = (ushort*)panels.Address;
        int row = 0;
        foreach (int rows in runRows)
        {
            *run++ = new PairRun { Panel = (byte*)at, Rows = rows, Ahead = panels.Address };
            for (int i = 0; i < rows && row < count; i++, row++)
            {
                for (int c = 0; c < columns; c++)
                {
                    at[i / 2 * 2 * columns + 2 * c + i % 2] = Bf16.FromSingle(b[row, c] = Whole());
                }
            }
            at += (rows + 1) / 2 * 2 * columns;
        }
        float* operands = stackalloc float[PairTile.OperandStride];
        for (int r = 0; r < shape.Rows; r++)
        {
            new Span<float>(operands, PairTile.OperandStride).Fill(float.NaN);
            for (int i = 0; i < count; i++)
            {
                operands[i] = a[r, i] = Whole();
            }
            for (int i = 0; i < PairTile.OperandStride; i += 32)
            {
                TTile.Store(System.Runtime.Intrinsics.Vector512.Load(operands + i), System.Runtime.Intrinsics.Vector512.Load(operands + i + 16), x.Address + (r * PairTile.OperandStride + i) * TTile.OperandBytes);
            }
            for (int c = 0; c < 16 * shape.Vectors; c++)
            {
                float before = result[r * stride + c] = Whole();
                expected[r, c] = (shape.Continues ? before * factors[r] : 0) + Enumerable.Range(0, count).Sum(i => (double)a[r, i] * b[i, c]);
            }
        }
        fixed (float* factor = factors)
        {
            TTile.Multiply(shape, (PairRun*)list.Address, x.Address, result, count, factor, 64);
        }
        for (int r = 0; r < shape.Rows; r++)
        {
            for (int c = 0; c < 16 * shape.Vectors; c++)
            {
                Assert.Equal(expected[r, c], result[r * stride + c]);
            }
        }
    }

    private sealed class HostBytes(int length) : IDisposable
    {
        public int Length => length;

        public byte* Address { get; } = (byte*)System.Runtime.InteropServices.NativeMemory.AlignedAlloc((nuint)length, 64);

        public void Dispose() => System.Runtime.InteropServices.NativeMemory.AlignedFree(Address);
    }
}
