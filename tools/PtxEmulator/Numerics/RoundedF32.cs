using System.Runtime.CompilerServices;

namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>
/// f32 arithmetic in the rounding modes of PTX. NaN results are 0x7FFFFFFF. The directed modes compute in double, rounded to
/// odd: its 53 bits are more than two beyond the 24 of the result, so the second rounding sees what an exact value would show.
/// </summary>
internal static class RoundedF32
{
    public static readonly float CanonicalNaN = BitConverter.UInt32BitsToSingle(0x7FFF_FFFF);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Canonical(float value) => float.IsNaN(value) ? CanonicalNaN : value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Add(float a, float b, Rounding rounding) =>
        rounding == Rounding.NearestEven ? Canonical(a + b) : AddDirected(a, b, rounding);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sub(float a, float b, Rounding rounding) =>
        rounding == Rounding.NearestEven ? Canonical(a - b) : AddDirected(a, -b, rounding);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Mul(float a, float b, Rounding rounding) =>
        rounding == Rounding.NearestEven ? Canonical(a * b) : Narrow((double)a * b, rounding);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Fma(float a, float b, float c, Rounding rounding) =>
        rounding == Rounding.NearestEven
            ? Canonical(MathF.FusedMultiplyAdd(a, b, c))
            : AddDirected((double)a * b, c, rounding);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Div(float a, float b, Rounding rounding) =>
        rounding == Rounding.NearestEven ? Canonical(a / b) : DivDirected(a, b, rounding);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Rcp(float a, Rounding rounding) => Div(1f, a, rounding);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sqrt(float a, Rounding rounding) =>
        rounding == Rounding.NearestEven ? Canonical(MathF.Sqrt(a)) : SqrtDirected(a, rounding);

    /// <summary>cvt.f32.f64: rounds a double once.</summary>
    public static float Narrow(double value, Rounding rounding)
    {
        if (double.IsNaN(value))
        {
            return CanonicalNaN;
        }

        var nearest = (float)value;
        if (rounding == Rounding.NearestEven || nearest == value || double.IsInfinity(value))
        {
            return nearest;
        }

        switch (rounding)
        {
            case Rounding.Down:
                return nearest > value ? MathF.BitDecrement(nearest) : nearest;
            case Rounding.Up:
                return nearest < value ? MathF.BitIncrement(nearest) : nearest;
            case Rounding.Zero:
                return value > 0
                    ? nearest > value ? MathF.BitDecrement(nearest) : nearest
                    : nearest < value ? MathF.BitIncrement(nearest) : nearest;
            default:
                return BitConverter.UInt32BitsToSingle(FloatBits.FromF64(value, FloatFormat.F32, rounding));
        }
    }

    private static float AddDirected(double a, double b, Rounding rounding)
    {
        var sum = a + b;
        if (!double.IsFinite(sum))
        {
            return Narrow(sum, rounding);
        }

        if (sum == 0)
        {
            // Equal signs keep theirs; opposite ones give -0 only when rounding down.
            var negative = double.IsNegative(a) == double.IsNegative(b) ? double.IsNegative(a) : rounding == Rounding.Down;
            return negative ? -0f : 0f;
        }

        return Narrow(FloatBits.AddToOdd(a, b), rounding);
    }

    private static float DivDirected(double a, double b, Rounding rounding)
    {
        var quotient = a / b;
        if (!double.IsFinite(quotient) || quotient == 0)
        {
            return Narrow(quotient, rounding);
        }

        var remainder = Math.FusedMultiplyAdd(-quotient, b, a);
        return Narrow(FloatBits.ToOdd(quotient, b < 0 ? -remainder : remainder), rounding);
    }

    private static float SqrtDirected(double a, Rounding rounding)
    {
        var root = Math.Sqrt(a);
        if (!double.IsFinite(root) || root == 0)
        {
            return Narrow(root, rounding);
        }

        return Narrow(FloatBits.ToOdd(root, Math.FusedMultiplyAdd(-root, root, a)), rounding);
    }
}
