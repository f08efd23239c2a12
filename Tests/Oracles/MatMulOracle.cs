namespace Llama4Kernels.Tests.Oracles;

/// <summary>y = x·Wᵀ + bias in float64, and the sum of magnitudes that error bounds are proportional to.</summary>
internal static class MatMulOracle
{
    /// <summary>x [tokens, columns], w [rows, columns], bias [rows] or null; results [tokens, rows].</summary>
    public static (double[] Y, double[] Magnitude) Run(float[] x, int tokens, float[] w, int rows, int columns, float[]? bias)
    {
        double[] y = new double[tokens * rows];
        double[] magnitude = new double[tokens * rows];
        for (int t = 0; t < tokens; t++)
        {
            for (int r = 0; r < rows; r++)
            {
                double sum = 0;
                double size = 0;
                for (int k = 0; k < columns; k++)
                {
                    double product = (double)x[t * columns + k] * w[r * columns + k];
                    sum += product;
                    size += Math.Abs(product);
                }
                y[t * rows + r] = sum + (bias?[r] ?? 0);
                magnitude[t * rows + r] = size + Math.Abs(bias?[r] ?? 0);
            }
        }
        return (y, magnitude);
    }
}
