namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// The rules for scales and codes, in float32 with IEEE divisions: a multiplication by a reciprocal would change codes.
/// </summary>
internal static class Quantiser
{
    /// <summary>Bound of an activation row's maximum in FP8.</summary>
    public const float ActivationBound = 1200;

    /// <summary>Least magnitude that an int4 scale is made for.</summary>
    public const float Int4Floor = 1e-6f;

    private const float Fp8Floor = 1f / (448f * 512f);

    /// <summary>max|x|; NaN if there is one.</summary>
    public static float MaxAbsolute(ReadOnlySpan<float> values)
    {
        float largest = 0;
        foreach (float value in values)
        {
            largest = MathF.Max(largest, MathF.Abs(value));
        }
        return largest;
    }

    /// <summary>The dequantisation multiplier of a row whose largest magnitude is given.</summary>
    public static float Fp8Scale(float largest) => MathF.Max(largest / Numerics.Fp8.Largest, Fp8Floor);

    /// <summary>The dequantisation multiplier of a group of 128: the largest magnitude is eight steps.</summary>
    public static float Int4Scale(float largest) => MathF.Max(largest, Int4Floor) / 8;

    /// <summary>The code −8 … 7, ties to even.</summary>
    public static int Int4(float value, float scale) => (int)Math.Clamp(MathF.Round(value / scale), -8f, 7f);
}
