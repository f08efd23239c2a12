namespace Llama4Kernels.Tests.Oracles;

internal static class AttentionOracle
{
    /// <summary>
    /// One query head over keys and values [count, d] given as functions of position and dimension: softmax in float64.
    /// </summary>
    public static double[] Attend(ReadOnlySpan<float> query, int count, Func<int, int, double> key, Func<int, int, double> value)
    {
        int d = query.Length;
        double[] scores = new double[count];
        double maximum = double.NegativeInfinity;
        for (int s = 0; s < count; s++)
        {
            for (int c = 0; c < d; c++)
            {
                scores[s] += query[c] * key(s, c) / Math.Sqrt(d);
            }
            maximum = Math.Max(maximum, scores[s]);
        }
        double total = 0;
        double[] result = new double[d];
        for (int s = 0; s < count; s++)
        {
            double weight = Math.Exp(scores[s] - maximum);
            total += weight;
            for (int c = 0; c < d; c++)
            {
                result[c] += weight * value(s, c);
            }
        }
        return Array.ConvertAll(result, r => r / total);
    }

    /// <summary>Rotation of adjacent pairs by pairs (cos, sin).</summary>
    public static double[] Rotate(ReadOnlySpan<float> x, ReadOnlySpan<float> angles)
    {
        double[] y = new double[x.Length];
        for (int c = 0; c < x.Length; c += 2)
        {
            y[c] = (double)x[c] * angles[c] - (double)x[c + 1] * angles[c + 1];
            y[c + 1] = (double)x[c] * angles[c + 1] + (double)x[c + 1] * angles[c];
        }
        return y;
    }
}
