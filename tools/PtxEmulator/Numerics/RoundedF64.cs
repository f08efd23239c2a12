using System.Runtime.CompilerServices;

namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>f64 arithmetic in the rounding modes of PTX. NaN results are 0x7FFFFFFFFFFFFFFF.</summary>
internal static class RoundedF64
{
    public static readonly double CanonicalNaN = BitConverter.UInt64BitsToDouble(0x7FFF_FFFF_FFFF_FFFF);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Canonical(double value) => double.IsNaN(value) ? CanonicalNaN : value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Add(double a, double b, Rounding rounding)
    {
        var nearest = a + b;
        return rounding == Rounding.NearestEven || !double.IsFinite(a) || !double.IsFinite(b)
            ? Canonical(nearest)
            : Round(Exact.Add(Exact.Of(a), Exact.Of(b), rounding), rounding);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Sub(double a, double b, Rounding rounding) => Add(a, -b, rounding);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Mul(double a, double b, Rounding rounding)
    {
        var nearest = a * b;
        return rounding == Rounding.NearestEven || !double.IsFinite(a) || !double.IsFinite(b)
            ? Canonical(nearest)
            : Round(Exact.Multiply(Exact.Of(a), Exact.Of(b)), rounding);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Fma(double a, double b, double c, Rounding rounding)
    {
        if (rounding == Rounding.NearestEven || !double.IsFinite(a) || !double.IsFinite(b) || !double.IsFinite(c))
        {
            return Canonical(Math.FusedMultiplyAdd(a, b, c));
        }

        return Round(Exact.Add(Exact.Multiply(Exact.Of(a), Exact.Of(b)), Exact.Of(c), rounding), rounding);
    }

    public static double Div(double a, double b, Rounding rounding)
    {
        if (rounding == Rounding.NearestEven || !double.IsFinite(a) || !double.IsFinite(b) || b == 0)
        {
            return Canonical(a / b);
        }

        return Round(Exact.Divide(Exact.Of(a), Exact.Of(b)), rounding);
    }

    public static double Rcp(double a, Rounding rounding) => Div(1, a, rounding);

    public static double Sqrt(double a, Rounding rounding)
    {
        if (rounding == Rounding.NearestEven || !double.IsFinite(a) || a <= 0)
        {
            return Canonical(Math.Sqrt(a));
        }

        return Round(Exact.SquareRoot(Exact.Of(a)), rounding);
    }

    private static double Round(Exact.Number number, Rounding rounding) =>
        BitConverter.UInt64BitsToDouble(Exact.Round(number, FloatFormat.F64, rounding));
}
