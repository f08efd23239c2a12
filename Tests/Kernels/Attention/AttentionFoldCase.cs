using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Tests.Kernels.Quantization;
using Llama4Kernels.Tests.PtxEmulator.Mutation;

namespace Llama4Kernels.Tests.Kernels.Attention;

/// <summary>Ranges of rows that decode, folded to the operand of int4 products, in float64.</summary>
internal static class AttentionFoldCase
{
    private const int HeadDim = SplitAttentionPtx.HeadDim;

    /// <summary>The launch with its results. Ranges that a row has not are no numbers.</summary>
    /// <param name="positions">The last key of each row; −1 for one of no sequence, whose operand nobody writes.</param>
    /// <param name="heads">Heads.</param>
    /// <param name="splitKeys">Fewest keys of a range.</param>
    /// <param name="maxSplits">Most ranges.</param>
    /// <param name="seed">Of the numbers.</param>
    public static MutationLaunch Launch(int[] positions, int heads, int splitKeys, int maxSplits, int seed)
    {
        var random = new Random(seed);
        int vectors = positions.Length * heads;
        float[] sums = [.. Enumerable.Repeat(float.NaN, vectors * maxSplits * HeadDim)], stats = [.. Enumerable.Repeat(float.NaN, vectors * maxSplits * 2)];
        float[][] results = new float[positions.Length][];
        for (int row = 0; row < positions.Length; row++)
        {
            results[row] = new float[heads * HeadDim];
            int keys = positions[row] + 1, length = splitKeys;
            while (length * maxSplits < keys)
            {
                length *= 2;
            }
            int splits = (keys + length - 1) / length;
            for (int head = 0; head < heads && splits > 0; head++)
            {
                int first = ((row * heads) + head) * maxSplits;
                for (int split = first; split < first + splits; split++)
                {
                    (stats[2 * split], stats[(2 * split) + 1]) = ((float)((4 * random.NextDouble()) - 2), (float)(1 + (10 * random.NextDouble())));
                    for (int c = 0; c < HeadDim; c++)
                    {
                        sums[(split * HeadDim) + c] = (float)(0.1 + random.NextDouble());
                    }
                }
                double[] factors = [.. Enumerable.Range(first, splits).Select(split => Math.Exp(stats[2 * split]))];
                double weight = factors.Select((factor, i) => factor * stats[(2 * (first + i)) + 1]).Sum();
                for (int c = 0; c < HeadDim; c++)
                {
                    double Result() => factors.Select((factor, i) => factor * sums[((first + i) * HeadDim) + c]).Sum() / weight;
                    // In the middle between two bfloat16 it may become either.
                    while (OperandBytes.IsBetween(Result()))
                    {
                        sums[(first * HeadDim) + c] *= 1.001f;
                    }
                    results[row][(head * HeadDim) + c] = (float)Result();
                }
            }
        }
        byte[] operand = OperandBytes.Of(results, OperandBytes.TwoPairs);
        int rowBytes = operand.Length / positions.Length;
        for (int row = 0; row < positions.Length; row++)
        {
            if (positions[row] < 0)
            {
                operand.AsSpan(row * rowBytes, rowBytes).Fill(0xFF);
            }
        }
        return new MutationLaunch(
            new CudaDim3(positions.Length, heads), new CudaDim3(AttentionFoldPtx.Threads), AttentionFoldPtx.SharedBytes,
            [new BufferArgument(0, sums.Length), new BufferArgument(1, stats.Length), new BufferArgument(2, positions.Length), new BufferArgument(3, operand.Length), heads, splitKeys, maxSplits],
            [Same(sums), Same(stats), Same(positions), new MutationBuffer(null, operand, Agreement.Exact)]);
    }

    private static MutationBuffer Same<T>(T[] values)
        where T : unmanaged
    {
        byte[] bytes = MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
        return new MutationBuffer(bytes, bytes, Agreement.Exact);
    }
}
