namespace Llama4Kernels.Engine.Diagnostics;

/// <summary>Distances between computed and reference values; sums are in double precision. Different lengths throw <see cref="ArgumentException"/>.</summary>
internal static class ReferenceMetrics
{
    /// <summary>Largest absolute difference; infinite where a value is not a number.</summary>
    public static double MaxAbsolute(ReadOnlySpan<float> computed, ReadOnlySpan<float> reference)
    {
        CheckLengths(computed.Length, reference.Length);
        double largest = 0;
        for (int i = 0; i < computed.Length; i++)
        {
            double difference = Math.Abs((double)computed[i] - reference[i]);
            largest = double.IsNaN(difference) ? double.PositiveInfinity : Math.Max(largest, difference);
        }
        return largest;
    }

    /// <summary>Distance between the largest and the smallest reference value.</summary>
    public static double Range(ReadOnlySpan<float> reference)
    {
        float low = float.PositiveInfinity;
        float high = float.NegativeInfinity;
        foreach (float value in reference)
        {
            low = Math.Min(low, value);
            high = Math.Max(high, value);
        }
        return (double)high - low;
    }

    /// <summary>Largest absolute difference as a share of the reference's range.</summary>
    public static double Relative(ReadOnlySpan<float> computed, ReadOnlySpan<float> reference)
    {
        double absolute = MaxAbsolute(computed, reference);
        return absolute == 0 ? 0 : absolute / Range(reference);
    }

    /// <summary>KL(reference ‖ computed) of the softmax distributions of each row, in nats.</summary>
    public static double[] Kl(ReadOnlySpan<float> computed, ReadOnlySpan<float> reference, int columns)
    {
        CheckLengths(computed.Length, reference.Length);
        var rows = new double[reference.Length / columns];
        for (int row = 0; row < rows.Length; row++)
        {
            rows[row] = Kl(computed.Slice(row * columns, columns), reference.Slice(row * columns, columns));
        }
        return rows;
    }

    /// <summary>The mean of <see cref="Kl(ReadOnlySpan{float}, ReadOnlySpan{float}, int)"/>.</summary>
    public static double MeanKl(ReadOnlySpan<float> computed, ReadOnlySpan<float> reference, int columns) =>
        Kl(computed, reference, columns) is { Length: > 0 } rows ? rows.Average() : 0;

    /// <summary>Rows whose largest value is at the same index.</summary>
    public static int SameTop1(ReadOnlySpan<float> computed, ReadOnlySpan<float> reference, int columns)
    {
        CheckLengths(computed.Length, reference.Length);
        int same = 0;
        for (int at = 0; at < reference.Length; at += columns)
        {
            same += Top(computed.Slice(at, columns)) == Top(reference.Slice(at, columns)) ? 1 : 0;
        }
        return same;
    }

    /// <summary>Index of the largest value, the first of equals.</summary>
    public static int Top(ReadOnlySpan<float> values)
    {
        int top = 0;
        for (int i = 1; i < values.Length; i++)
        {
            top = values[i] > values[top] ? i : top;
        }
        return top;
    }

    private static double Kl(ReadOnlySpan<float> computed, ReadOnlySpan<float> reference)
    {
        double computedNorm = LogSumExp(computed);
        double referenceNorm = LogSumExp(reference);
        double sum = 0;
        for (int i = 0; i < reference.Length; i++)
        {
            double log = reference[i] - referenceNorm;
            sum += Math.Exp(log) * (log - (computed[i] - computedNorm));
        }
        return sum;
    }

    /// <summary>ln Σ exp, with the largest value subtracted.</summary>
    internal static double LogSumExp(ReadOnlySpan<float> values)
    {
        double largest = double.NegativeInfinity;
        foreach (float value in values)
        {
            largest = Math.Max(largest, value);
        }
        double sum = 0;
        foreach (float value in values)
        {
            sum += Math.Exp(value - largest);
        }
        return largest + Math.Log(sum);
    }

    private static void CheckLengths(int computed, int reference)
    {
        if (computed != reference)
        {
            throw new ArgumentException($"{computed} computed values cannot be compared with {reference} reference values.");
        }
    }
}
