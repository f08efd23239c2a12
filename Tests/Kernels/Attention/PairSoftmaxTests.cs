using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Kernels.Attention;

/// <summary>The online softmax of every form against float64: weights, their sums, factors of what was summed before, and largest scores.</summary>
public sealed unsafe class PairSoftmaxTests
{
    private const float Scale = 0.3f;

    private static readonly int[] s_counts = [1, 15, 16, 17, 31, 32, 33, 64, 79, 96, 97, 127, 128];

    [Fact]
    public void Float32AgreesWithFloat64() => CheckAll<WidePairTile>(3e-7, 3e-7);

    /// <summary>Half a unit of bfloat16's last of eight bits and the polynomial; sums are of weights before they are rounded.</summary>
    [Fact]
    public void DotAgreesWithFloat64()
    {
        Assert.SkipWhen(CpuLimits.This.WhyNoDot() is not null, $"The BF16 dot product {CpuLimits.This.WhyNoDot()}.");
        CheckAll<DotPairTile>((1 / 256.0) + 8e-5, 8e-5);
    }

    [Fact]
    public void SpecialScoresFloat32() => CheckSpecial<WidePairTile>();

    [Fact]
    public void SpecialScoresDot()
    {
        Assert.SkipWhen(CpuLimits.This.WhyNoDot() is not null, $"The BF16 dot product {CpuLimits.This.WhyNoDot()}.");
        CheckSpecial<DotPairTile>();
    }

    private static void CheckAll<TTile>(double weightError, double sumError)
        where TTile : struct, IPairTile
    {
        using var space = new UnitMemory<TTile>();
        for (int rows = 1; rows <= PairTile.MaxRows; rows++)
        {
            foreach (int count in s_counts)
            {
                // Nothing before the first tile; by row, the largest scores of later ones are below, about and above those before.
                var random = new Random((rows * 1000) + count);
                double[] most = new double[rows], sums = new double[rows];
                for (int tile = 0; tile < 3; tile++)
                {
                    double[,] scores = new double[rows, count];
                    space.FillWithNaN();
                    for (int r = 0; r < rows; r++)
                    {
                        for (int i = 0; i < count; i++)
                        {
                            scores[r, i] = space.Scores(r)[i] = (random.NextSingle() * 40) - 20 + ((tile - 1) * (r - 2) * 15);
                        }
                    }
                    TTile.Weigh(space.Unit, rows, count, tile == 0, Scale);
                    for (int r = 0; r < rows; r++)
                    {
                        double before = most[r];
                        most[r] = Enumerable.Range(0, count).Max(i => scores[r, i]);
                        most[r] = tile == 0 ? most[r] : Math.Max(most[r], before);
                        Assert.Equal((float)most[r], space.Unit.Maximum[r]);
                        double factor = tile == 0 ? 0 : Math.Exp((before - most[r]) * Scale);
                        if (tile > 0)
                        {
                            Close(factor, space.Unit.Factors[r], 3e-6, $"factor of {(rows, count, tile, r)}");
                            Assert.True(before != most[r] || space.Unit.Factors[r] == 1);
                        }
                        double sum = 0;
                        for (int i = 0; i < (count + 31) / 32 * 32; i++)
                        {
                            // The exponent's own rounding counts as much as it is large.
                            double exponent = i < count ? (scores[r, i] - most[r]) * Scale : 0, weight = i < count ? Math.Exp(exponent) : 0;
                            Close(weight, space.Weight(r, i), weightError + (Math.Abs(exponent) * 2.4e-7), $"weight {i} of {(rows, count, tile, r)}");
                            sum += weight;
                        }
                        sums[r] = (sums[r] * factor) + sum;
                        Close(sums[r], Vector512.Sum(Vector512.Load(space.Unit.Weight(r))), sumError + 3e-6, $"sum of {(rows, count, tile, r)}");
                    }
                }
            }
        }
    }

    /// <summary>−∞ and what is far below have no weight, NaN makes its own row NaN and no other, and all scores may be alike.</summary>
    private static void CheckSpecial<TTile>()
        where TTile : struct, IPairTile
    {
        const int Count = 40;
        using var space = new UnitMemory<TTile>();
        foreach (bool begins in new[] { true, false })
        {
            space.FillWithNaN();
            for (int r = 0; r < PairTile.MaxRows; r++)
            {
                space.Unit.Maximum[r] = 0;
                Vector512<float>.One.Store(space.Unit.Weight(r));
                new Span<float>(space.Scores(r), Count).Fill(3);
            }
            space.Scores(0)[7] = float.NegativeInfinity;
            space.Scores(1)[39] = float.NaN;
            space.Scores(2)[3] = -1e30f;
            space.Scores(3)[20] = 1e30f;
            TTile.Weigh(space.Unit, PairTile.MaxRows, Count, begins, 1);
            double before = begins ? 0 : 16 * Math.Exp(-3);
            Assert.Equal(0, space.Weight(0, 7));
            Close(before + 39, Sum(0), 1e-4, "a row with -inf");
            Assert.True(float.IsNaN(space.Weight(1, 39)) && float.IsNaN(Sum(1)));
            Assert.Equal(0, space.Weight(2, 3));
            Close(before + 39, Sum(2), 1e-4, "a row with a score far below");
            Close(1, Sum(3), 1e-4, "a row with a score far above");
            Assert.Equal(0, space.Weight(3, 19));
            Close(before + 40, Sum(4), 1e-4, "a row of equal scores");
            Assert.True(begins || space.Unit.Factors[3] == 0);
        }

        float Sum(int row) => Vector512.Sum(Vector512.Load(space.Unit.Weight(row)));
    }

    private static void Close(double expected, float actual, double relative, string what) =>
        Assert.True(Math.Abs(expected - actual) <= (relative * Math.Abs(expected)) + 1e-37, $"{what}: {actual}, expected {expected}");

    /// <summary>A unit with one chunk of components and one panel of values.</summary>
    private sealed class UnitMemory<TTile> : IDisposable
        where TTile : struct, IPairTile
    {
        private readonly byte* _start;
        private readonly int _bytes;

        public UnitMemory()
        {
            int chunkBytes = PairTile.MaxRows * PairTile.OperandStride * TTile.OperandBytes;
            _start = (byte*)NativeMemory.AlignedAlloc((nuint)(1 << 16), 64);
            Unit = new PairUnit(_start, chunkBytes, 1, TTile.OperandBytes);
            _bytes = (int)((byte*)Unit.Sum(1) - _start);
        }

        public PairUnit Unit { get; }

        public float* Scores(int row) => Unit.Scores + (row * PairTile.ScoreStride);

        public float Weight(int row, int position)
        {
            int at = (row * PairTile.OperandStride) + position;
            return TTile.OperandBytes == sizeof(float) ? ((float*)Unit.Weights)[at] : Bf16.ToSingle(((ushort*)Unit.Weights)[at]);
        }

        /// <summary>Fills scores and weights; what belongs to the state stays.</summary>
        public void FillWithNaN()
        {
            byte* from = Unit.Weights;
            new Span<float>(from, (_bytes - (int)(from - _start)) / sizeof(float)).Fill(float.NaN);
        }

        public void Dispose() => NativeMemory.AlignedFree(_start);
    }
}
