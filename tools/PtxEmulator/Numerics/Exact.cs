using System.Runtime.CompilerServices;

namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>
/// Finite numbers as integer significands times powers of two, and the one rounding step that puts them into a format.
/// </summary>
internal static class Exact
{
    /// <summary>A finite number: (-1)^Negative * Significand * 2^Exponent, plus less than one unit of the significand if Inexact.</summary>
    public readonly record struct Number(bool Negative, UInt128 Significand, int Exponent, bool Inexact = false);

    public static Number Of(double value)
    {
        var bits = BitConverter.DoubleToUInt64Bits(value);
        var field = (int)(bits >> 52) & 0x7FF;
        var fraction = bits & 0xF_FFFF_FFFF_FFFF;
        return field == 0
            ? new(bits >> 63 != 0, fraction, -1074)
            : new(bits >> 63 != 0, fraction | 1UL << 52, field - 1075);
    }

    /// <summary>Rounds once. Overflow gives infinity or the largest finite number, as the rounding direction says.</summary>
    public static ulong Round(Number number, in FloatFormat format, Rounding rounding)
    {
        var sign = number.Negative ? format.SignBit : 0;
        if (number.Significand == 0)
        {
            return sign;
        }

        var topExponent = 127 - (int)UInt128.LeadingZeroCount(number.Significand) + number.Exponent;
        var overflow = sign | (GoesOutward(number.Negative, rounding) ? format.Infinity : format.MaxFinite);
        if (topExponent > format.Bias + 1)
        {
            return overflow;
        }

        var scale = Math.Max(topExponent, 1 - format.Bias);
        var dropped = scale - format.FractionBits - number.Exponent;
        var kept = DropBits(number.Significand, dropped, number.Negative, number.Inexact, rounding);

        // The leading bit of a normal number adds one to the exponent field; a carry out of the fraction does the same.
        var magnitude = (ulong)kept + ((ulong)(scale + format.Bias - 1) << format.FractionBits);
        return magnitude > format.MaxFinite ? overflow : sign | magnitude;
    }

    /// <summary>Divides by 2^count, rounding to an integer; a count below zero multiplies.</summary>
    public static UInt128 DropBits(UInt128 significand, int count, bool negative, bool inexact, Rounding rounding)
    {
        if (count <= 0)
        {
            var shifted = significand << -count;
            return inexact && rounding == (negative ? Rounding.Down : Rounding.Up) ? shifted + 1 : shifted;
        }

        UInt128 kept = 0;
        bool half;
        bool rest;
        if (count > 128)
        {
            half = false;
            rest = significand != 0;
        }
        else
        {
            kept = count == 128 ? 0 : significand >> count;
            half = (significand >> (count - 1) & 1) != 0;
            rest = (significand & ((UInt128.One << (count - 1)) - 1)) != 0;
        }

        rest |= inexact;
        var away = rounding switch
        {
            Rounding.NearestEven => half && (rest || (kept & 1) != 0),
            Rounding.NearestAway => half,
            Rounding.Zero => false,
            Rounding.Down => negative && (half || rest),
            Rounding.Up => !negative && (half || rest),
            _ => throw new ArgumentOutOfRangeException(nameof(rounding)),
        };
        return away ? kept + 1 : kept;
    }

    /// <summary>a + b. A zero sum of opposite signs is +0, or -0 when rounding down.</summary>
    public static Number Add(Number a, Number b, Rounding rounding)
    {
        if (a.Significand == 0 || b.Significand == 0)
        {
            return a.Significand != 0 ? a
                : b.Significand != 0 || a.Negative == b.Negative ? b
                : b with { Negative = rounding == Rounding.Down };
        }

        // The larger number is shifted up to bit 125. Significands have at most 106 bits, so bits that the
        // smaller one then loses lie far below the sum's rounding position, even after a subtraction.
        var (large, small) = TopExponent(a) >= TopExponent(b) ? (a, b) : (b, a);
        var up = (int)UInt128.LeadingZeroCount(large.Significand) - 2;
        var significand = large.Significand << up;
        var exponent = large.Exponent - up;
        var down = exponent - small.Exponent;
        var aligned = down <= 0 ? small.Significand << -down : down < 128 ? small.Significand >> down : 0;
        var inexact = down > 0 && (down >= 128 || aligned << down != small.Significand);

        if (large.Negative == small.Negative)
        {
            return new(large.Negative, significand + aligned, exponent, inexact);
        }

        if (significand == aligned && !inexact)
        {
            return new(rounding == Rounding.Down, 0, 0);
        }

        return significand > aligned
            ? new(large.Negative, significand - aligned - (inexact ? 1u : 0u), exponent, inexact)
            : new(small.Negative, aligned - significand, exponent, inexact);
    }

    /// <summary>a * b, exactly; significands of at most 64 bits.</summary>
    public static Number Multiply(Number a, Number b) =>
        new(a.Negative != b.Negative, a.Significand * b.Significand, a.Exponent + b.Exponent);

    /// <summary>a / b for b other than zero; significands of at most 64 bits.</summary>
    public static Number Divide(Number a, Number b)
    {
        if (a.Significand == 0)
        {
            return new(a.Negative != b.Negative, 0, 0);
        }

        var up = (int)UInt128.LeadingZeroCount(a.Significand);
        var (quotient, remainder) = UInt128.DivRem(a.Significand << up, b.Significand);
        return new(a.Negative != b.Negative, quotient, a.Exponent - up - b.Exponent, remainder != 0);
    }

    /// <summary>The square root of a number that is not negative.</summary>
    public static Number SquareRoot(Number a)
    {
        if (a.Significand == 0)
        {
            return a;
        }

        var up = (int)UInt128.LeadingZeroCount(a.Significand) - 2;
        up -= (a.Exponent - up) & 1;
        var square = a.Significand << up;
        var root = (UInt128)Math.Sqrt((double)square);
        root = (root + square / root) >> 1;
        while (root * root > square)
        {
            root--;
        }

        while ((root + 1) * (root + 1) <= square)
        {
            root++;
        }

        return new(false, root, (a.Exponent - up) / 2, root * root != square);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool GoesOutward(bool negative, Rounding rounding) =>
        rounding is Rounding.NearestEven or Rounding.NearestAway || rounding == (negative ? Rounding.Down : Rounding.Up);

    private static int TopExponent(Number number) =>
        127 - (int)UInt128.LeadingZeroCount(number.Significand) + number.Exponent;
}
