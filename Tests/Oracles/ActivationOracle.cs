namespace Llama4Kernels.Tests.Oracles;

internal static class ActivationOracle
{
    public static double Silu(double x) => x / (1 + Math.Exp(-x));

    /// <summary>x · Φ(x).</summary>
    public static double Gelu(double x) => x < 0 ? x * 0.5 * Erfc(-x / Math.Sqrt(2)) : x * (1 - 0.5 * Erfc(x / Math.Sqrt(2)));

    /// <summary>Complementary error function for t ≥ 0: series below 2.5, continued fraction above.</summary>
    public static double Erfc(double t)
    {
        if (t < 2.5)
        {
            double term = t;
            double sum = t;
            for (int n = 1; n < 120; n++)
            {
                term *= -t * t / n;
                sum += term / (2 * n + 1);
            }
            return 1 - 2 / Math.Sqrt(Math.PI) * sum;
        }
        double fraction = t;
        for (int n = 120; n >= 1; n--)
        {
            fraction = t + n / 2.0 / fraction;
        }
        return Math.Exp(-t * t) / Math.Sqrt(Math.PI) / fraction;
    }
}
