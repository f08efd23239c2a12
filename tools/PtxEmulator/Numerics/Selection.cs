using System.Runtime.CompilerServices;

namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>min, max, .sat and copysign of f32 and f64.</summary>
internal static class Selection
{
    /// <summary>min.f32: a number wins over NaN, or NaN over a number if nanWins (.NaN); -0 is below +0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Min(float a, float b, bool nanWins = false)
    {
        if (float.IsNaN(a) || float.IsNaN(b))
        {
            return OfNaN(a, b, nanWins);
        }

        return a < b || (a == b && float.IsNegative(a)) ? a : b;
    }

    /// <summary>max.f32, with the rules of <see cref="Min(float,float,bool)"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Max(float a, float b, bool nanWins = false)
    {
        if (float.IsNaN(a) || float.IsNaN(b))
        {
            return OfNaN(a, b, nanWins);
        }

        return a > b || (a == b && !float.IsNegative(a)) ? a : b;
    }

    /// <summary>min.xorsign.abs.f32: the smaller magnitude with the product's sign; a NaN result stays canonical.</summary>
    public static float MinXorSignAbs(float a, float b, bool nanWins = false) =>
        WithSign(Min(MathF.Abs(a), MathF.Abs(b), nanWins), float.IsNegative(a) != float.IsNegative(b));

    /// <summary>max.xorsign.abs.f32.</summary>
    public static float MaxXorSignAbs(float a, float b, bool nanWins = false) =>
        WithSign(Max(MathF.Abs(a), MathF.Abs(b), nanWins), float.IsNegative(a) != float.IsNegative(b));

    /// <summary>min.f64: a number wins over NaN; -0 is below +0.</summary>
    public static double Min(double a, double b)
    {
        if (double.IsNaN(a) || double.IsNaN(b))
        {
            return RoundedF64.Canonical(double.IsNaN(a) ? b : a);
        }

        return a < b || (a == b && double.IsNegative(a)) ? a : b;
    }

    /// <summary>max.f64.</summary>
    public static double Max(double a, double b)
    {
        if (double.IsNaN(a) || double.IsNaN(b))
        {
            return RoundedF64.Canonical(double.IsNaN(a) ? b : a);
        }

        return a > b || (a == b && !double.IsNegative(a)) ? a : b;
    }

    /// <summary>.sat: into [0, 1]; NaN and -0 become +0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Saturate(float value) => value >= 1 ? 1 : value > 0 ? value : 0;

    /// <summary>.sat of f64.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Saturate(double value) => value >= 1 ? 1 : value > 0 ? value : 0;

    /// <summary>copysign d, a, b: the sign of the first operand on the second.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float CopySign(float sign, float magnitude) => BitConverter.UInt32BitsToSingle(
        (BitConverter.SingleToUInt32Bits(sign) & 0x8000_0000) | (BitConverter.SingleToUInt32Bits(magnitude) & 0x7FFF_FFFF));

    /// <summary>copysign of f64.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double CopySign(double sign, double magnitude) => BitConverter.UInt64BitsToDouble(
        (BitConverter.DoubleToUInt64Bits(sign) & 1UL << 63) | (BitConverter.DoubleToUInt64Bits(magnitude) & ~(1UL << 63)));

    private static float OfNaN(float a, float b, bool nanWins) =>
        nanWins ? RoundedF32.CanonicalNaN : RoundedF32.Canonical(float.IsNaN(a) ? b : a);

    private static float WithSign(float magnitude, bool negative) => negative && !float.IsNaN(magnitude) ? -magnitude : magnitude;
}
