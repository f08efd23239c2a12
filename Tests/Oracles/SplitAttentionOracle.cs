using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Oracles;

/// <summary>A range of keys of one query head in float64, of the operands that the kernel has: query, keys and values in bfloat16.</summary>
internal static class SplitAttentionOracle
{
    /// <summary>The sums of e^(score − largest) · value, the largest score and the sum of the weights.</summary>
    /// <param name="query">The query, which is rounded.</param>
    /// <param name="first">First key of the range.</param>
    /// <param name="count">Keys of it, 1 or more.</param>
    /// <param name="key">An element of a key by position and dimension.</param>
    /// <param name="value">The same of values.</param>
    public static (double[] Sums, double Largest, double Weight) Attend(ReadOnlySpan<float> query, int first, int count, Func<int, int, double> key, Func<int, int, double> value)
    {
        int d = query.Length;
        double[] scores = new double[count];
        for (int s = 0; s < count; s++)
        {
            for (int c = 0; c < d; c++)
            {
                scores[s] += Bf16.Round(query[c]) * key(first + s, c) / Math.Sqrt(d);
            }
        }
        double largest = scores.Max(), weight = 0;
        double[] sums = new double[d];
        for (int s = 0; s < count; s++)
        {
            double e = Math.Exp(scores[s] - largest);
            weight += e;
            for (int c = 0; c < d; c++)
            {
                sums[c] += e * value(first + s, c);
            }
        }
        return (sums, largest, weight);
    }
}
