namespace Llama4Kernels.Tests.Oracles;

internal static class NormOracle
{
    public static double[] RmsNorm(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, double eps)
    {
        double[] y = new double[x.Length];
        int d = weight.Length;
        for (int row = 0; row < x.Length / d; row++)
        {
            double squares = 0;
            for (int c = 0; c < d; c++)
            {
                squares += (double)x[row * d + c] * x[row * d + c];
            }
            for (int c = 0; c < d; c++)
            {
                y[row * d + c] = x[row * d + c] / Math.Sqrt(squares / d + eps) * weight[c];
            }
        }
        return y;
    }

    public static double[] LayerNorm(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, ReadOnlySpan<float> bias, double eps)
    {
        double[] y = new double[x.Length];
        int d = weight.Length;
        for (int row = 0; row < x.Length / d; row++)
        {
            double mean = 0;
            for (int c = 0; c < d; c++)
            {
                mean += x[row * d + c] / (double)d;
            }
            double variance = 0;
            for (int c = 0; c < d; c++)
            {
                variance += (x[row * d + c] - mean) * (x[row * d + c] - mean) / d;
            }
            for (int c = 0; c < d; c++)
            {
                y[row * d + c] = (x[row * d + c] - mean) / Math.Sqrt(variance + eps) * weight[c] + bias[c];
            }
        }
        return y;
    }
}
