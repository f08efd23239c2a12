using System.Runtime.CompilerServices;

namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>f16 and bf16 as 16-bit codes. Arithmetic is exact and rounded once; a NaN result is 0x7FFF.</summary>
internal static class HalfBits
{
    public const ushort CanonicalNaN = 0x7FFF;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToF32(ushort bits, HalfFormat format) => RoundedF32.Canonical(
        format == HalfFormat.F16 ? (float)BitConverter.UInt16BitsToHalf(bits) : BitConverter.UInt32BitsToSingle((uint)bits << 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort FromF32(
        float value, HalfFormat format, Rounding rounding = Rounding.NearestEven, ResultFlags flags = ResultFlags.None) =>
        FromF64(value, format, rounding, flags);

    /// <summary>Rounds once, then applies the flags. .ftz flushes the result; operands are the caller's business.</summary>
    public static ushort FromF64(
        double value, HalfFormat format, Rounding rounding = Rounding.NearestEven, ResultFlags flags = ResultFlags.None)
    {
        var bits = format == HalfFormat.F16
            ? (ushort)FloatBits.FromF64(value, FloatFormat.F16, rounding, (flags & ResultFlags.SatFinite) != 0)
            : (ushort)FloatBits.FromF64(value, FloatFormat.BF16, rounding, (flags & ResultFlags.SatFinite) != 0);
        return flags == ResultFlags.None ? bits : Apply(bits, format, flags);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsNaN(ushort bits, HalfFormat format) => (bits & 0x7FFF) > Infinity(format);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort Flush(ushort bits, HalfFormat format) =>
        format == HalfFormat.F16 ? Ftz.FlushF16(bits) : Ftz.FlushBF16(bits);

    public static ushort Add(ushort a, ushort b, HalfFormat format, ResultFlags flags = ResultFlags.None) =>
        FromF64(FloatBits.AddToOdd(Operand(a, format, flags), Operand(b, format, flags)), format, Rounding.NearestEven, flags);

    public static ushort Sub(ushort a, ushort b, HalfFormat format, ResultFlags flags = ResultFlags.None) =>
        FromF64(FloatBits.AddToOdd(Operand(a, format, flags), -Operand(b, format, flags)), format, Rounding.NearestEven, flags);

    public static ushort Mul(ushort a, ushort b, HalfFormat format, ResultFlags flags = ResultFlags.None) =>
        FromF64((double)Operand(a, format, flags) * Operand(b, format, flags), format, Rounding.NearestEven, flags);

    public static ushort Fma(ushort a, ushort b, ushort c, HalfFormat format, ResultFlags flags = ResultFlags.None)
    {
        var product = (double)Operand(a, format, flags) * Operand(b, format, flags);
        return FromF64(FloatBits.AddToOdd(product, Operand(c, format, flags)), format, Rounding.NearestEven, flags);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort Neg(ushort a, HalfFormat format, ResultFlags flags = ResultFlags.None) =>
        (ushort)(((flags & ResultFlags.Ftz) != 0 ? Flush(a, format) : a) ^ 0x8000);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort Abs(ushort a, HalfFormat format, ResultFlags flags = ResultFlags.None) =>
        (ushort)(((flags & ResultFlags.Ftz) != 0 ? Flush(a, format) : a) & 0x7FFF);

    /// <summary>min: a number wins over NaN, or NaN over a number if nanWins (.NaN); -0 is below +0.</summary>
    public static ushort Min(
        ushort a, ushort b, HalfFormat format, bool nanWins = false, bool xorSignAbs = false, ResultFlags flags = ResultFlags.None)
    {
        if (xorSignAbs)
        {
            // A NaN's sign counts too, which its value has lost.
            var magnitude = Min((ushort)(a & 0x7FFF), (ushort)(b & 0x7FFF), format, nanWins, false, flags);
            return IsNaN(magnitude, format) ? magnitude : (ushort)(magnitude | ((a ^ b) & 0x8000));
        }

        return FromF32(Selection.Min(Operand(a, format, flags), Operand(b, format, flags), nanWins), format);
    }

    /// <summary>max, with the rules of min.</summary>
    public static ushort Max(
        ushort a, ushort b, HalfFormat format, bool nanWins = false, bool xorSignAbs = false, ResultFlags flags = ResultFlags.None)
    {
        if (xorSignAbs)
        {
            // A NaN's sign counts too, which its value has lost.
            var magnitude = Max((ushort)(a & 0x7FFF), (ushort)(b & 0x7FFF), format, nanWins, false, flags);
            return IsNaN(magnitude, format) ? magnitude : (ushort)(magnitude | ((a ^ b) & 0x8000));
        }

        return FromF32(Selection.Max(Operand(a, format, flags), Operand(b, format, flags), nanWins), format);
    }

    public static ushort Ex2(ushort a, HalfFormat format, ResultFlags flags = ResultFlags.None) =>
        FromF64(Math.Pow(2, Operand(a, format, flags)), format, Rounding.NearestEven, flags);

    public static ushort Tanh(ushort a, HalfFormat format) => FromF64(Math.Tanh(ToF32(a, format)), format);

    /// <summary>cvt.rni.f16.f16 and its like: the nearest integer in that direction, with the operand's sign.</summary>
    public static ushort ToIntegral(ushort a, HalfFormat format, Rounding rounding) =>
        FromF32(Integral.Round(ToF32(a, format), rounding), format);

    /// <summary>Flags on a result that is there already: what cvt does between equal formats.</summary>
    public static ushort Apply(ushort bits, HalfFormat format, ResultFlags flags)
    {
        if (IsNaN(bits, format))
        {
            return (flags & ResultFlags.Sat) != 0 ? (ushort)0 : CanonicalNaN;
        }

        if ((flags & ResultFlags.Ftz) != 0)
        {
            bits = Flush(bits, format);
        }

        if ((flags & (ResultFlags.Sat | ResultFlags.Relu)) != 0 && (bits & 0x8000) != 0)
        {
            return 0;
        }

        if ((flags & ResultFlags.Sat) != 0)
        {
            var one = format == HalfFormat.F16 ? (ushort)0x3C00 : (ushort)0x3F80;
            return Math.Min(bits, one);
        }

        return (flags & ResultFlags.SatFinite) != 0 && (bits & 0x7FFF) == Infinity(format) ? (ushort)(bits - 1) : bits;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Infinity(HalfFormat format) => format == HalfFormat.F16 ? 0x7C00 : 0x7F80;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Operand(ushort bits, HalfFormat format, ResultFlags flags) =>
        ToF32((flags & ResultFlags.Ftz) != 0 ? Flush(bits, format) : bits, format);
}
