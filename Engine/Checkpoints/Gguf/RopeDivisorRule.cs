using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Rope;

namespace Llama4Kernels.Engine.Checkpoints.Gguf;

/// <summary>Finds the scaling rule of the published configuration that gives a file's rotary divisors.</summary>
internal static class RopeDivisorRule
{
    // All releases were trained with this context before they were stretched.
    private const int ReleasedContext = 8192;

    /// <summary>The rule, or null if none gives these divisors.</summary>
    /// <param name="divisors">[headSize/2], positive.</param>
    /// <param name="headSize">Elements of a head.</param>
    /// <param name="theta">Base of the frequencies.</param>
    public static RopeScaling? Find(ReadOnlySpan<float> divisors, int headSize, double theta)
    {
        double factor = divisors[^1];
        int[] contexts = [ReleasedContext, Between(divisors, headSize, theta)];
        foreach (int context in contexts)
        {
            foreach (double high in (double[])[1, 4])
            {
                RopeScaling rule = new(factor, 1, high, context);
                if (context > 0 && Gives(rule, divisors, headSize, theta))
                {
                    return rule;
                }
            }
        }
        return null;
    }

    // A context between the longest wave that is not stretched and the shortest that is.
    private static int Between(ReadOnlySpan<float> divisors, int headSize, double theta)
    {
        int first = divisors.IndexOfAnyExcept(1f);
        double middle = first <= 0 ? 0 : Math.Sqrt(Wave(first - 1, headSize, theta) * Wave(first, headSize, theta));
        return middle < int.MaxValue ? (int)middle : 0;
    }

    private static bool Gives(RopeScaling rule, ReadOnlySpan<float> divisors, int headSize, double theta)
    {
        for (int i = 0; i < divisors.Length; i++)
        {
            double wave = Wave(i, headSize, theta), ratio = rule.OriginalMaxPositions / wave;
            double expected = ratio > rule.HighFreqFactor ? 1
                : ratio < rule.LowFreqFactor ? rule.Factor
                : 1 / (1 / rule.Factor + Share(rule, ratio) * (1 - 1 / rule.Factor));
            if (Math.Abs(divisors[i] - expected) > 1e-5 * expected)
            {
                return false;
            }
        }
        return true;
    }

    private static double Share(RopeScaling rule, double ratio) => rule.HighFreqFactor == rule.LowFreqFactor
        ? 0
        : (ratio - rule.LowFreqFactor) / (rule.HighFreqFactor - rule.LowFreqFactor);

    private static double Wave(int pair, int headSize, double theta) => 2 * Math.PI * Math.Pow(theta, 2.0 * pair / headSize);
}
