using System.Runtime.CompilerServices;

namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>The codes of the formats below f64, to and from double, which holds every number of theirs exactly.</summary>
internal static class FloatBits
{
    /// <summary>
    /// Rounds a double to a format of at most 24 significant bits. NaN becomes the canonical NaN. With
    /// <paramref name="finite"/> (.satfinite), overflow and infinity give the largest finite number of that sign.
    /// </summary>
    public static uint FromF64(double value, in FloatFormat format, Rounding rounding, bool finite = false)
    {
        var bits = BitConverter.DoubleToUInt64Bits(value);
        var negative = bits >> 63 != 0;
        var sign = negative ? (uint)format.SignBit : 0;
        var field = (int)(bits >> 52) & 0x7FF;
        var significand = bits & 0xF_FFFF_FFFF_FFFF;
        if (field == 0x7FF)
        {
            return significand != 0 ? (uint)format.CanonicalNaN : sign | (uint)(finite ? format.MaxFinite : format.Infinity);
        }

        if (field == 0 && significand == 0)
        {
            return sign;
        }

        // A subnormal double is below half the smallest number of every format here: any tiny value does as well.
        significand |= 1UL << 52;
        var exponent = field - 1023;
        var overflow = sign | (uint)(!finite && Exact.GoesOutward(negative, rounding) ? format.Infinity : format.MaxFinite);
        if (exponent > format.Bias + 1)
        {
            return overflow;
        }

        var scale = Math.Max(exponent, 1 - format.Bias);
        var dropped = Math.Min(52 - format.FractionBits + (scale - exponent), 63);
        var kept = significand >> dropped;
        var rest = significand & ((1UL << dropped) - 1);
        var half = 1UL << (dropped - 1);
        var away = rounding switch
        {
            Rounding.NearestEven => rest > half || (rest == half && (kept & 1) != 0),
            Rounding.NearestAway => rest >= half,
            Rounding.Zero => false,
            Rounding.Down => negative && rest != 0,
            Rounding.Up => !negative && rest != 0,
            _ => throw new ArgumentOutOfRangeException(nameof(rounding)),
        };
        var magnitude = (uint)kept + (away ? 1u : 0u) + ((uint)(scale + format.Bias - 1) << format.FractionBits);
        return magnitude > format.MaxFinite ? overflow : sign | magnitude;
    }

    /// <summary>The value of a code.</summary>
    public static double ToF64(uint bits, in FloatFormat format)
    {
        var magnitude = bits & (uint)(format.SignBit - 1);
        var negative = magnitude != bits;
        if (magnitude > format.MaxFinite)
        {
            return magnitude != format.Infinity || format.Infinity == format.CanonicalNaN ? RoundedF64.CanonicalNaN
                : negative ? double.NegativeInfinity : double.PositiveInfinity;
        }

        // The code moved to where f64 has its fields is the value but for the difference of the biases.
        var moved = BitConverter.UInt64BitsToDouble((ulong)magnitude << (52 - format.FractionBits));
        var value = moved * BitConverter.Int64BitsToDouble((long)(2046 - format.Bias) << 52);
        return negative ? -value : value;
    }

    /// <summary>a + b in double, rounded to odd where it is inexact: rounding that again to 24 bits or fewer equals rounding once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double AddToOdd(double a, double b)
    {
        var sum = a + b;
        var part = sum - a;
        var error = (a - (sum - part)) + (b - part);
        return double.IsFinite(sum) ? ToOdd(sum, error) : sum;
    }

    /// <summary>The neighbour of value + error whose last bit is set, given that value is the nearest double to it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double ToOdd(double value, double error)
    {
        var bits = BitConverter.DoubleToInt64Bits(value);
        if (error == 0 || (bits & 1) != 0)
        {
            return value;
        }

        return BitConverter.Int64BitsToDouble((error > 0) == (value > 0) ? bits + 1 : bits - 1);
    }
}
