using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>What automata of written numbers have in common: the alphabet, and where in a number a character stands.</summary>
internal static class NumberReader
{
    private const string Alphabet = "0123456789-.eE+";

    public enum Phase
    {
        Start,
        Minus,
        Zero,
        Whole,
        Point,
        Fraction,
        Exponent,
        ExponentSign,
        ExponentDigits,
    }

    public static CodePointClasses Classes { get; } =
        CodePointClasses.Of([.. Alphabet.Select(c => CodePointSet.Of((c, c)))]);

    public static bool IsWhole(Phase phase) => phase is Phase.Zero or Phase.Whole or Phase.Fraction or Phase.ExponentDigits;

    /// <summary>The phase after a character, or null where it cannot stand.</summary>
    public static Phase? Advance(Phase phase, char c) => (phase, c) switch
    {
        (Phase.Start, '-') => Phase.Minus,
        (Phase.Start or Phase.Minus, '0') => Phase.Zero,
        (Phase.Start or Phase.Minus, >= '1' and <= '9') => Phase.Whole,
        (Phase.Whole, >= '0' and <= '9') => Phase.Whole,
        (Phase.Zero or Phase.Whole, '.') => Phase.Point,
        (Phase.Point or Phase.Fraction, >= '0' and <= '9') => Phase.Fraction,
        (Phase.Zero or Phase.Whole or Phase.Fraction, 'e' or 'E') => Phase.Exponent,
        (Phase.Exponent, '+' or '-') => Phase.ExponentSign,
        (Phase.Exponent or Phase.ExponentSign or Phase.ExponentDigits, >= '0' and <= '9') => Phase.ExponentDigits,
        _ => null,
    };

    /// <summary>How an exponent that is being read compares with a number.</summary>
    /// <param name="Target">The number.</param>
    /// <param name="IsNegative">Whether a minus has been read.</param>
    /// <param name="Digits">Digits read without zeros in front, at most one more than the number has.</param>
    /// <param name="Order">How they compare with as many of the number's.</param>
    public readonly record struct Exponent(int Target, bool IsNegative = false, int Digits = 0, int Order = 0)
    {
        private string Other => Target == 0 ? string.Empty : Math.Abs(Target).ToString(System.Globalization.CultureInfo.InvariantCulture);

        public Exponent Take(char c)
        {
            if (c is '+' or '-')
            {
                return this with { IsNegative = c == '-' };
            }
            if (c == '0' && Digits == 0)
            {
                return this;
            }
            string other = Other;
            return this with
            {
                Order = Order != 0 || Digits >= other.Length ? Order : Math.Sign(c.CompareTo(other[Digits])),
                Digits = Math.Min(Digits + 1, other.Length + 1),
            };
        }

        /// <summary>Negative, zero or positive: less, equal or more.</summary>
        public int Compare()
        {
            int size = Digits != Other.Length ? Digits.CompareTo(Other.Length) : Order;
            bool isZero = Digits == 0;
            return Target switch
            {
                0 => isZero ? 0 : IsNegative ? -1 : 1,
                > 0 => IsNegative ? -1 : size,
                _ => isZero || !IsNegative ? 1 : -size,
            };
        }
    }
}
