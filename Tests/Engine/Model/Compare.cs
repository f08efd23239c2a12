namespace Llama4Kernels.Tests.Engine.Model;

/// <summary>Comparisons of activations with reference values.</summary>
internal static class Compare
{
    /// <summary>Largest absolute difference as a share of the expected values' range.</summary>
    public static double RangeError(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        Assert.Equal(expected.Length, actual.Length);
        double worst = 0, min = double.MaxValue, max = double.MinValue;
        for (int i = 0; i < expected.Length; i++)
        {
            double difference = Math.Abs((double)actual[i] - expected[i]);
            worst = double.IsNaN(difference) ? double.PositiveInfinity : Math.Max(worst, difference);
            min = Math.Min(min, expected[i]);
            max = Math.Max(max, expected[i]);
        }
        return worst / (max - min);
    }

    /// <summary>KL(expected ‖ actual) of the softmax of each row, averaged.</summary>
    public static double MeanKl(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected, int columns)
    {
        double sum = 0;
        int rows = expected.Length / columns;
        for (int r = 0; r < rows; r++)
        {
            double[] p = LogSoftmax(expected.Slice(r * columns, columns)), q = LogSoftmax(actual.Slice(r * columns, columns));
            for (int i = 0; i < columns; i++)
            {
                sum += Math.Exp(p[i]) * (p[i] - q[i]);
            }
        }
        return sum / rows;
    }

    /// <summary>Rows whose largest entry differs although the expected margin exceeds twice the error.</summary>
    public static int Top1Disagreements(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected, int columns, double error)
    {
        int wrong = 0;
        for (int r = 0; r < expected.Length / columns; r++)
        {
            ReadOnlySpan<float> e = expected.Slice(r * columns, columns), a = actual.Slice(r * columns, columns);
            int best = ArgMax(e);
            float second = float.NegativeInfinity;
            for (int i = 0; i < columns; i++)
            {
                second = i == best ? second : Math.Max(second, e[i]);
            }
            wrong += ArgMax(a) != best && e[best] - second > 2 * error ? 1 : 0;
        }
        return wrong;
    }

    public static int ArgMax(ReadOnlySpan<float> values)
    {
        int best = 0;
        for (int i = 1; i < values.Length; i++)
        {
            best = values[i] > values[best] ? i : best;
        }
        return best;
    }

    private static double[] LogSoftmax(ReadOnlySpan<float> values)
    {
        double max = double.MinValue, sum = 0;
        foreach (float v in values)
        {
            max = Math.Max(max, v);
        }
        foreach (float v in values)
        {
            sum += Math.Exp(v - max);
        }
        double[] result = new double[values.Length];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = values[i] - max - Math.Log(sum);
        }
        return result;
    }
}
