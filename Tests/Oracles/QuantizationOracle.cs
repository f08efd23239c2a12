namespace Llama4Kernels.Tests.Oracles;

/// <summary>Number formats by search over all their values.</summary>
internal static class QuantizationOracle
{
    /// <summary>The value of an E4M3 code by its definition, in float64.</summary>
    public static double Fp8Value(int code)
    {
        int exponent = (code >> 3) & 15, mantissa = code & 7;
        double magnitude = (code & 0x7f) == 0x7f ? double.NaN
            : exponent == 0 ? mantissa / 8.0 * Math.Pow(2, -6)
            : (1 + mantissa / 8.0) * Math.Pow(2, exponent - 7);
        return code >= 128 ? -magnitude : magnitude;
    }

    /// <summary>Rows of activations after quantising to E4M3 and back: a scale a row, from its largest magnitude up to 1200.</summary>
    public static float[] Rounded(float[] x, int columns) =>
        [.. x.Chunk(columns).SelectMany(row =>
        {
            float scale = Math.Max(Math.Min(row.Max(Math.Abs), 1200f) / 448f, 1f / (448f * 512f));
            return row.Select(value => (float)Fp8Value(Fp8Nearest(value / scale)) * scale);
        })];

    /// <summary>
    /// Rows of activations after rounding to integers and back, 128 columns at a time: the largest magnitude becomes 127, the
    /// others the nearest integers. The last group of a row has the columns that are left.
    /// </summary>
    public static float[] Int8Rounded(float[] x, int columns) =>
        [.. x.Chunk(columns).SelectMany(row => row.Chunk(128)).SelectMany(group =>
        {
            float largest = group.Max(Math.Abs);
            float inverse = 127 / largest;
            return group.Select(value => largest == 0 ? 0 : (float)(Math.Round((double)(value * inverse)) * (largest / 127)));
        })];

    /// <summary>The nearest finite code of the value's sign; of two, the even one.</summary>
    public static int Fp8Nearest(float value)
    {
        int best = 0;
        double magnitude = Math.Abs((double)value);
        for (int code = 1; code < 0x7f; code++)
        {
            double nearer = Math.Abs(Fp8Value(best) - magnitude) - Math.Abs(Fp8Value(code) - magnitude);
            best = nearer > 0 || (nearer == 0 && code % 2 == 0) ? code : best;
        }
        return float.IsNegative(value) ? best | 0x80 : best;
    }
}
