using System.Numerics;
using Llama4Kernels.PtxEmulator.Numerics;

namespace Llama4Kernels.Tests.PtxEmulator.Numerics;

/// <summary>A fraction of big integers.</summary>
internal readonly record struct Rational(BigInteger Top, BigInteger Bottom)
{
    public static Rational Of(double value)
    {
        long bits = BitConverter.DoubleToInt64Bits(value);
        int field = (int)(bits >> 52) & 0x7FF;
        BigInteger significand = (bits & 0xF_FFFF_FFFF_FFFF) | (field == 0 ? 0 : 1L << 52);
        int exponent = Math.Max(field, 1) - 1075;
        significand = bits < 0 ? -significand : significand;
        return exponent >= 0 ? new(significand << exponent, 1) : new(significand, BigInteger.One << -exponent);
    }

    public static Rational operator +(Rational a, Rational b) => new((a.Top * b.Bottom) + (b.Top * a.Bottom), a.Bottom * b.Bottom);

    public static Rational operator *(Rational a, Rational b) => new(a.Top * b.Top, a.Bottom * b.Bottom);

    public static Rational operator /(Rational a, Rational b) =>
        b.Top.Sign < 0 ? new(-a.Top * b.Bottom, a.Bottom * -b.Top) : new(a.Top * b.Bottom, a.Bottom * b.Top);

    public int CompareTo(Rational other) => (Top * other.Bottom).CompareTo(other.Top * Bottom);
}

/// <summary>Rounding by definition: search among the format's codes for the neighbours of an exact value.</summary>
internal static class ExactReference
{
    public static ulong Round(Rational value, int fractionBits, int exponentBits, Rounding rounding) =>
        Round(value.Top.Sign < 0, value with { Top = BigInteger.Abs(value.Top) }, fractionBits, exponentBits, rounding, root: false);

    public static ulong RoundSquareRoot(Rational value, int fractionBits, int exponentBits, Rounding rounding) =>
        Round(false, value, fractionBits, exponentBits, rounding, root: true);

    private static ulong Round(bool negative, Rational value, int fractionBits, int exponentBits, Rounding rounding, bool root)
    {
        ulong infinity = ((1UL << exponentBits) - 1) << fractionBits;
        ulong low = 0;
        ulong high = infinity;
        while (high - low > 1)
        {
            ulong middle = (low + high) / 2;
            if (Compare(Magnitude(middle)) <= 0)
            {
                low = middle;
            }
            else
            {
                high = middle;
            }
        }
        ulong sign = negative ? 1UL << (fractionBits + exponentBits) : 0;
        if (Compare(Magnitude(low)) == 0)
        {
            return sign | low;
        }
        int half = Compare((Magnitude(low) + Magnitude(high)) * new Rational(1, 2));
        bool up = rounding switch
        {
            Rounding.Zero => false,
            Rounding.Down => negative,
            Rounding.Up => !negative,
            Rounding.NearestAway => half <= 0,
            _ => half < 0 || (half == 0 && (low & 1) != 0),
        };
        return sign | (up ? high : low);

        int Compare(Rational candidate) => (root ? candidate * candidate : candidate).CompareTo(value);

        // The code of infinity counts as the next power of two.
        Rational Magnitude(ulong code)
        {
            int field = (int)(code >> fractionBits);
            BigInteger significand = code & ((1UL << fractionBits) - 1);
            significand += field == 0 ? 0 : 1UL << fractionBits;
            int exponent = Math.Max(field, 1) - ((1 << (exponentBits - 1)) - 1) - fractionBits;
            return exponent >= 0 ? new(significand << exponent, 1) : new(significand, BigInteger.One << -exponent);
        }
    }
}
