using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Oracles;

/// <summary>y = x·Wᵀ + bias in float64.</summary>
internal static class MatMulOracle
{
    /// <summary>Result and, per element, Σ|x·w| as the scale that rounding errors are measured against.</summary>
    public static (double[] Y, double[] Magnitude) Run(float[] x, float[] w, float[]? bias, int tokens, int rows, int columns, bool roundX)
    {
        double[] y = new double[tokens * rows], magnitude = new double[tokens * rows];
        for (int t = 0; t < tokens; t++)
        {
            for (int r = 0; r < rows; r++)
            {
                double sum = bias is null ? 0 : bias[r], size = Math.Abs(sum);
                for (int c = 0; c < columns; c++)
                {
                    double product = (double)(roundX ? Bf16.Round(x[t * columns + c]) : x[t * columns + c]) * w[r * columns + c];
                    sum += product;
                    size += Math.Abs(product);
                }
                y[t * rows + r] = sum;
                magnitude[t * rows + r] = size;
            }
        }
        return (y, magnitude);
    }
}
