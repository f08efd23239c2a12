namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>
/// cvt from floating point to integers of 8 to 64 bits. Values beyond the range clamp to it. NaN gives 0, but
/// 1 &lt;&lt; (bits - 1) if the source is f64 or the result has 64 bits.
/// </summary>
internal static class FloatToInteger
{
    /// <summary>From f32, and from f16 or bf16 by way of f32. Signed results are sign-extended, unsigned ones zero-extended.</summary>
    public static long FromF32(float value, Rounding rounding, int bits, bool signed) =>
        float.IsNaN(value) && bits < 64 ? 0 : FromF64(value, rounding, bits, signed);

    public static long FromF64(double value, Rounding rounding, int bits, bool signed)
    {
        if (double.IsNaN(value))
        {
            return signed ? long.MinValue >> (64 - bits) : 1L << (bits - 1);
        }

        var integral = Integral.Round(value, rounding);
        if (signed)
        {
            var limit = (double)(1UL << (bits - 1));
            return integral >= limit ? long.MaxValue >> (64 - bits)
                : integral < -limit ? long.MinValue >> (64 - bits)
                : (long)integral;
        }

        // 2^bits would not fit a 64-bit integer for bits = 64.
        return integral <= 0 ? 0
            : integral >= 2.0 * (1UL << (bits - 1)) ? (long)(ulong.MaxValue >> (64 - bits))
            : (long)(ulong)integral;
    }
}
