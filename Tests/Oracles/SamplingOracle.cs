namespace Llama4Kernels.Tests.Oracles;

/// <summary>Sampling in float64, as the definitions say it: by sorting.</summary>
internal static class SamplingOracle
{
    /// <summary>softmax(logits)</summary>
    public static double[] Probabilities(float[] logits)
    {
        double maximum = logits.Max();
        double[] weights = [.. logits.Select(logit => Math.Exp(logit - maximum))];
        double sum = weights.Sum();
        return [.. weights.Select(weight => weight / sum)];
    }

    /// <summary>The first column of the largest value; −1 if a value is NaN or +∞, or all are −∞.</summary>
    public static int Best(float[] logits)
    {
        double maximum = double.NegativeInfinity;
        int best = -1;
        for (int column = 0; column < logits.Length; column++)
        {
            if (float.IsNaN(logits[column]) || float.IsPositiveInfinity(logits[column]))
            {
                return -1;
            }
            if (logits[column] > maximum)
            {
                (maximum, best) = (logits[column], column);
            }
        }
        return best;
    }

    /// <summary>Columns by falling probability, equals by rising column.</summary>
    public static int[] Order(double[] probabilities) => [.. Enumerable.Range(0, probabilities.Length).OrderByDescending(c => probabilities[c]).ThenBy(c => c)];

    /// <summary>The columns before which the mass is at most p.</summary>
    public static int[] Nucleus(double[] probabilities, double p)
    {
        double before = 0;
        List<int> kept = [];
        foreach (int column in Order(probabilities))
        {
            if (before > p)
            {
                break;
            }
            kept.Add(column);
            before += probabilities[column];
        }
        kept.Sort();
        return [.. kept];
    }

    /// <summary>The first column up to which the mass exceeds a number.</summary>
    public static int Draw(double[] probabilities, double uniform)
    {
        int column = 0;
        for (double mass = probabilities[0]; mass <= uniform; mass += probabilities[column])
        {
            column++;
        }
        return column;
    }
}
