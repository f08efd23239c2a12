using Llama4Kernels.Engine.Constraints.Lexing;
using static Llama4Kernels.Engine.Constraints.JsonSchema.NumberReader;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Automata of written numbers by how they compare with one.</summary>
internal static class NumberComparison
{
    /// <summary>The numbers, plain or with one digit before the point and an exponent, whose order holds.</summary>
    /// <param name="plain">The other number, see <see cref="PlainDecimal"/>.</param>
    /// <param name="holds">Asked with a negative number, zero or a positive one: less, equal, more.</param>
    /// <param name="budget">Bounds the states.</param>
    public static Dfa Of(string plain, Func<int, bool> holds, ConstraintBudget budget)
    {
        Operand other = new(plain);
        return Dfa.Build(
            Classes,
            new State(Phase.Start, false, true, default, default),
            (State at, int c) =>
            {
                char value = (char)Classes.Representatives[c];
                return Advance(at.Phase, value) is Phase next && at.TryTake(next, value, other, out State after) ? (true, after) : (false, at);
            },
            at => IsWhole(at.Phase) && holds(at.Compare(other)) ? 0 : -1,
            budget);
    }

    /// <summary>The number that others are compared with.</summary>
    private sealed class Operand
    {
        public Operand(string plain)
        {
            (IsNegative, Whole, Fraction) = PlainDecimal.Split(plain);
            string digits = Whole + Fraction;
            string significant = digits.TrimStart('0');
            Significant = significant.TrimEnd('0');
            Exponent = Whole.Length - 1 - (digits.Length - significant.Length);
        }

        public bool IsNegative { get; }

        public string Whole { get; }

        public string Fraction { get; }

        /// <summary>The digits from the first to the last that is not zero; empty for zero.</summary>
        public string Significant { get; }

        /// <summary>The power of ten of the first of them.</summary>
        public int Exponent { get; }
    }

    /// <summary>Digits read, and how they compare with as many of the other number's.</summary>
    private readonly record struct Digits(int Count, int Order)
    {
        public Digits Take(char value, string other, bool isFraction) => new(
            Math.Min(Count + 1, other.Length + 1),
            Order != 0 ? Order
                : Count < other.Length ? Math.Sign(value.CompareTo(other[Count]))
                : isFraction ? Math.Sign(value.CompareTo('0'))
                : 0);
    }

    /// <param name="Phase">Where in the number.</param>
    /// <param name="IsNegative">Whether a minus has been read.</param>
    /// <param name="IsZero">Whether all digits are zeros.</param>
    /// <param name="Plain">The part that is being read, whole or fraction, against the other number's; the order of the parts before is in it.</param>
    /// <param name="Scientific">All digits against the other number's significant ones; counts no more once a second digit precedes the point.</param>
    /// <param name="Power">The exponent against the other number's.</param>
    private readonly record struct State(Phase Phase, bool IsNegative, bool IsZero, Digits Plain, Digits Scientific, Exponent Power = default)
    {
        private static readonly Digits s_off = new(-1, 0);

        public bool TryTake(Phase next, char value, Operand other, out State after)
        {
            after = this with { Phase = next };
            switch (value)
            {
                case '-' when next == Phase.Minus:
                    after = after with { IsNegative = true };
                    return true;
                case '.':
                    after = after with { Plain = new Digits(0, WholeOrder(other)) };
                    return true;
                case 'e' or 'E':
                    after = new State(next, IsNegative, IsZero, default, new Digits(0, ScientificOrder(other)), new Exponent(other.Exponent));
                    return Scientific != s_off;
                default:
                    if (next >= Phase.Exponent)
                    {
                        after = after with { Power = Power.Take(value) };
                        return true;
                    }
                    bool isFraction = next == Phase.Fraction;
                    after = after with
                    {
                        IsZero = IsZero && value == '0',
                        Plain = Plain.Take(value, isFraction ? other.Fraction : other.Whole, isFraction),
                        Scientific = Scientific == s_off || (Phase == Phase.Whole && !isFraction) ? s_off : Scientific.Take(value, other.Significant, true),
                    };
                    return true;
            }
        }

        /// <summary>How the number that has been read compares with the other one.</summary>
        public int Compare(Operand other)
        {
            if (IsZero)
            {
                return other.Significant.Length == 0 ? 0 : other.IsNegative ? 1 : -1;
            }
            if (other.Significant.Length == 0 || IsNegative != other.IsNegative)
            {
                return IsNegative ? -1 : 1;
            }
            int size = Phase == Phase.ExponentDigits ? (Power.Compare() is int power and not 0 ? power : Scientific.Order)
                : Phase == Phase.Fraction ? (Plain.Order == 0 && Plain.Count < other.Fraction.Length ? -1 : Plain.Order)
                : WholeOrder(other) is int order and not 0 ? order
                : other.Fraction.Length > 0 ? -1 : 0;
            return IsNegative ? -size : size;
        }

        private int WholeOrder(Operand other) => Plain.Count != other.Whole.Length ? Plain.Count.CompareTo(other.Whole.Length) : Plain.Order;

        private int ScientificOrder(Operand other) =>
            Scientific.Order == 0 && Scientific.Count < other.Significant.Length ? -1 : Scientific.Order;
    }
}
