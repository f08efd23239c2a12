using System.Numerics;
using Llama4Kernels.PtxEmulator.Numerics;
using Llama4Kernels.Tests.PtxEmulator.Numerics;

namespace Llama4Kernels.Tests.PtxEmulator.Execution;

/// <summary>A binary format by definition: codes are exact fractions, operations are done on these and rounded once.</summary>
internal sealed class FloatDefinition(int fractionBits, int exponentBits, ulong nan)
{
    public static readonly FloatDefinition F16 = new(10, 5, 0x7FFF);
    public static readonly FloatDefinition BF16 = new(7, 8, 0x7FFF);
    public static readonly FloatDefinition F32 = new(23, 8, 0x7FFF_FFFF);
    public static readonly FloatDefinition F64 = new(52, 11, 0x7FFF_FFFF_FFFF_FFFF);

    public ulong NaN => nan;

    public ulong Infinity => ((1ul << exponentBits) - 1) << fractionBits;

    public ulong Sign => 1ul << (fractionBits + exponentBits);

    public ulong One => ((1ul << (exponentBits - 1)) - 1) << fractionBits;

    public int FractionBits => fractionBits;

    public int ExponentBits => exponentBits;

    public bool IsNaN(ulong code) => (code & ~Sign) > Infinity;

    public bool IsInfinite(ulong code) => (code & ~Sign) == Infinity;

    public bool IsNegative(ulong code) => (code & Sign) != 0;

    public bool IsZero(ulong code) => (code & ~Sign) == 0;

    /// <summary>A subnormal number becomes zero of its sign.</summary>
    public ulong Flush(ulong code) => (code & Infinity) == 0 ? code & Sign : code;

    public Rational Value(ulong code)
    {
        int field = (int)(code >> fractionBits) & ((1 << exponentBits) - 1);
        BigInteger top = (code & ((1ul << fractionBits) - 1)) + (field == 0 ? 0 : 1ul << fractionBits);
        int exponent = Math.Max(field, 1) - ((1 << (exponentBits - 1)) - 1) - fractionBits;
        top = IsNegative(code) ? -top : top;
        return exponent >= 0 ? new(top << exponent, 1) : new(top, BigInteger.One << -exponent);
    }

    public ulong Round(Rational value, Rounding rounding = Rounding.NearestEven) => ExactReference.Round(value, fractionBits, exponentBits, rounding);

    public ulong Add(ulong a, ulong b, Rounding rounding = Rounding.NearestEven)
    {
        if (IsNaN(a) || IsNaN(b) || (IsInfinite(a) && IsInfinite(b) && a != b))
        {
            return nan;
        }
        return IsInfinite(a) ? a : IsInfinite(b) ? b : Sum(Value(a), IsNegative(a), Value(b), IsNegative(b), rounding);
    }

    public ulong Sub(ulong a, ulong b, Rounding rounding = Rounding.NearestEven) => IsNaN(b) ? nan : Add(a, b ^ Sign, rounding);

    public ulong Mul(ulong a, ulong b, Rounding rounding = Rounding.NearestEven)
    {
        ulong sign = (a ^ b) & Sign;
        if (IsNaN(a) || IsNaN(b) || (IsInfinite(a) && IsZero(b)) || (IsZero(a) && IsInfinite(b)))
        {
            return nan;
        }
        return IsInfinite(a) || IsInfinite(b) ? sign | Infinity : Signed(Value(a) * Value(b), sign, rounding);
    }

    public ulong Fma(ulong a, ulong b, ulong c, Rounding rounding = Rounding.NearestEven)
    {
        ulong product = Mul(a, b, rounding);
        if (IsNaN(c) || IsNaN(product))
        {
            return nan;
        }
        bool endless = IsInfinite(a) || IsInfinite(b);
        if (endless || IsInfinite(c))
        {
            return endless && IsInfinite(c) && product != c ? nan : endless ? product : c;
        }
        return Sum(Value(a) * Value(b), IsNegative(a ^ b), Value(c), IsNegative(c), rounding);
    }

    public ulong Div(ulong a, ulong b, Rounding rounding = Rounding.NearestEven)
    {
        ulong sign = (a ^ b) & Sign;
        if (IsNaN(a) || IsNaN(b) || (IsInfinite(a) && IsInfinite(b)) || (IsZero(a) && IsZero(b)))
        {
            return nan;
        }
        return IsInfinite(a) || IsZero(b) ? sign | Infinity : IsInfinite(b) ? sign : Signed(Value(a) / Value(b), sign, rounding);
    }

    public ulong Sqrt(ulong a, Rounding rounding = Rounding.NearestEven) =>
        IsNaN(a) || (IsNegative(a) && !IsZero(a)) ? nan
        : IsZero(a) || IsInfinite(a) ? a
        : ExactReference.RoundSquareRoot(Value(a), fractionBits, exponentBits, rounding);

    /// <summary>Order with -0 equal to +0; null if either is NaN.</summary>
    public int? Order(ulong a, ulong b) => IsNaN(a) || IsNaN(b) ? null : Key(a).CompareTo(Key(b));

    public ulong Min(ulong a, ulong b, bool nanWins) => Pick(a, b, nanWins, below: true);

    public ulong Max(ulong a, ulong b, bool nanWins) => Pick(a, b, nanWins, below: false);

    /// <summary>min and max with .xorsign.abs: of the magnitudes, with the product's sign.</summary>
    public ulong XorSignAbs(ulong a, ulong b, bool nanWins, bool below)
    {
        ulong magnitude = Pick(a & ~Sign, b & ~Sign, nanWins, below);
        return IsNaN(magnitude) ? magnitude : magnitude | ((a ^ b) & Sign);
    }

    /// <summary>Into [0, 1], NaN to 0.</summary>
    public ulong Saturate(ulong code) => IsNaN(code) || IsNegative(code) ? 0 : Math.Min(code, One);

    public ulong Relu(ulong code) => IsNaN(code) ? nan : IsNegative(code) ? 0 : code;

    private long Key(ulong code) => IsNegative(code) ? -(long)(code & ~Sign) : (long)code;

    private ulong Pick(ulong a, ulong b, bool nanWins, bool below)
    {
        if (IsNaN(a) || IsNaN(b))
        {
            return nanWins || (IsNaN(a) && IsNaN(b)) ? nan : IsNaN(a) ? b : a;
        }
        // -0 is below +0.
        bool first = Key(a) == Key(b) ? IsNegative(a) == below : Key(a) < Key(b) == below;
        return first ? a : b;
    }

    private ulong Signed(Rational exact, ulong sign, Rounding rounding) => exact.Top.IsZero ? sign : Round(exact, rounding);

    private ulong Sum(Rational a, bool aNegative, Rational b, bool bNegative, Rounding rounding)
    {
        Rational sum = a + b;
        if (!sum.Top.IsZero)
        {
            return Round(sum, rounding);
        }
        bool both = a.Top.IsZero && b.Top.IsZero && aNegative == bNegative;
        return (both ? aNegative : rounding == Rounding.Down) ? Sign : 0;
    }
}
