using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Oracles;

/// <summary>y = x · Wᵀ in float64 of the operands that a kernel has: codes times their group's scale, and x rounded to bfloat16.</summary>
internal static class Int4MatVecOracle
{
    /// <summary>One product, and the sum of the magnitudes of its terms, which bounds what float32 may do to it.</summary>
    /// <param name="codes">[columns], −8 … 7</param>
    /// <param name="scales">[columns / 128]</param>
    /// <param name="x">[columns]</param>
    public static (double Value, double Magnitude) Dot(ReadOnlySpan<sbyte> codes, ReadOnlySpan<float> scales, ReadOnlySpan<float> x)
    {
        double sum = 0, magnitude = 0;
        for (int i = 0; i < codes.Length; i++)
        {
            double term = codes[i] * (double)scales[i / 128] * Bf16.ToSingle(Bf16.FromSingle(x[i]));
            sum += term;
            magnitude += Math.Abs(term);
        }
        return (sum, magnitude);
    }
}
