namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>
/// The .approx functions. Hardware differs from chip to chip within the published bounds; here the result is the nearest
/// number to the function's value (as far as a double computation tells), with the special values of the PTX manual.
/// </summary>
internal static class Approximate
{
    // 1.11.20: what rcp.approx.ftz.f64 and rsqrt.approx.ftz.f64 read and write, the upper half of a double.
    private static readonly FloatFormat s_upperF64 = new(20, 11);

    public static float Ex2(float a, bool ftz) => Unary(a, ftz, static x => Math.Pow(2, x));

    public static float Lg2(float a, bool ftz) => Unary(a, ftz, static x => Math.Log2(x));

    public static float Sin(float a, bool ftz) => Unary(a, ftz, static x => Math.Sin(x));

    public static float Cos(float a, bool ftz) => Unary(a, ftz, static x => Math.Cos(x));

    public static float Tanh(float a) => Unary(a, false, static x => Math.Tanh(x));

    public static float Rcp(float a, bool ftz) => Unary(a, ftz, static x => 1 / x);

    public static float Sqrt(float a, bool ftz) => Unary(a, ftz, static x => Math.Sqrt(x));

    public static float Rsqrt(float a, bool ftz) => Unary(a, ftz, static x => 1 / Math.Sqrt(x));

    /// <summary>div.approx.f32 is a * (1/b); the reciprocal of |b| above 2^126 counts as zero, so that infinity / b is NaN.</summary>
    public static float Div(float a, float b, bool ftz)
    {
        if (ftz)
        {
            a = Ftz.Flush(a);
            b = Ftz.Flush(b);
        }

        var result = MathF.Abs(b) > 8.507059e37f ? RoundedF32.Canonical(a * Selection.CopySign(b, 0f)) : RoundedF32.Canonical(a / b);
        return ftz ? Ftz.Flush(result) : result;
    }

    /// <summary>div.full.f32: scaled over the full range.</summary>
    public static float DivFull(float a, float b, bool ftz) =>
        ftz ? Ftz.Flush(RoundedF32.Canonical(Ftz.Flush(a) / Ftz.Flush(b))) : RoundedF32.Canonical(a / b);

    /// <summary>rcp.approx.ftz.f64: reads and writes only the upper 32 bits.</summary>
    public static double RcpF64(double a) => ToUpper(1 / FromUpper(a));

    /// <summary>rsqrt.approx.ftz.f64: reads and writes only the upper 32 bits.</summary>
    public static double RsqrtF64(double a) => ToUpper(1 / Math.Sqrt(FromUpper(a)));

    private static float Unary(float a, bool ftz, Func<double, double> function)
    {
        var result = RoundedF32.Narrow(function(ftz ? Ftz.Flush(a) : a), Rounding.NearestEven);
        return ftz ? Ftz.Flush(result) : result;
    }

    // A NaN may have all its payload in the lower half, so it is kept whole.
    private static double FromUpper(double value) => double.IsNaN(value)
        ? value
        : Ftz.Flush(BitConverter.UInt64BitsToDouble(BitConverter.DoubleToUInt64Bits(value) & 0xFFFF_FFFF_0000_0000));

    private static double ToUpper(double value) => double.IsFinite(value)
        ? Ftz.Flush(BitConverter.UInt64BitsToDouble(Exact.Round(Exact.Of(value), s_upperF64, Rounding.NearestEven) << 32))
        : RoundedF64.Canonical(value);
}
