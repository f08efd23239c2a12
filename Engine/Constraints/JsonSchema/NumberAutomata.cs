using System.Numerics;
using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>
/// Automata of written numbers. A number under conditions is written without an exponent; every value has such a form.
/// </summary>
internal static class NumberAutomata
{
    private const int MaxRemainders = 20_000;
    private const string Alphabet = "0123456789-.eE+";

    private static readonly CodePointClasses Classes =
        CodePointClasses.Of([.. Alphabet.Select(c => CodePointSet.Of((c, c)))]);

    private enum Phase
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

    /// <summary>Every number of JSON.</summary>
    public static Dfa Any { get; } = Form(exponents: true, fractions: true);

    /// <summary>Every number without an exponent.</summary>
    public static Dfa Plain { get; } = Form(exponents: false, fractions: true);

    /// <summary>Numbers without fraction and exponent.</summary>
    public static Dfa Integer { get; } = Form(exponents: false, fractions: false);

    /// <summary>The numbers that meet all conditions.</summary>
    public static Dfa Of(IReadOnlyCollection<NumberTest> tests, ConstraintBudget budget)
    {
        Dfa result = tests.Count == 0 ? Any : tests.Contains(new NumberTest(NumberTestKind.Integer, string.Empty)) ? Integer : Plain;
        foreach (NumberTest test in tests)
        {
            Dfa holds = test.Kind switch
            {
                NumberTestKind.Integer => Whole(budget),
                NumberTestKind.AtLeast => Compare(test.Operand, order => order >= 0, budget),
                NumberTestKind.MoreThan => Compare(test.Operand, order => order > 0, budget),
                NumberTestKind.MultipleOf => MultipleOf(test.Operand, budget),
                _ => test.Negative
                    ? test.Operand.Split(' ').Select(value => Compare(PlainDecimal.Of(value)!, order => order == 0, budget)).Aggregate((a, b) => DfaOperations.Union(a, b, budget))
                    : Words(test.Operand.Split(' '), budget),
            };
            result = test.Negative ? DfaOperations.Except(result, holds, budget) : DfaOperations.Intersect(result, holds, budget);
        }
        return result;
    }

    /// <summary>Those of some numbers that have no exponent, no zeros at the end of a fraction and no sign before zero.</summary>
    public static Dfa InOneWay(string key, Dfa numbers, AutomatonLibrary library, ConstraintBudget budget) => library.Dfa(
        key + " in one way",
        () => DfaOperations.Intersect(numbers, library.FullMatch("0|-?[1-9]\\d*|-?(?:0|[1-9]\\d*)\\.\\d*[1-9]", budget), budget));

    private static Dfa Form(bool exponents, bool fractions) => Dfa.Build(
        Classes,
        Phase.Start,
        (phase, c) =>
        {
            Phase? next = Advance(phase, (char)Classes.Representatives[c]);
            bool allowed = next is Phase known && (exponents || known < Phase.Exponent) && (fractions || known < Phase.Point);
            return (allowed, next ?? default);
        },
        phase => IsWhole(phase) ? 0 : -1,
        ConstraintBudget.Unbounded());

    private static bool IsWhole(Phase phase) => phase is Phase.Zero or Phase.Whole or Phase.Fraction or Phase.ExponentDigits;

    private static Phase? Advance(Phase phase, char c) => (phase, c) switch
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

    // Plain numbers whose fraction is zero.
    private static Dfa Whole(ConstraintBudget budget) => Dfa.Build(
        Classes,
        (Phase: Phase.Start, 0),
        (state, c) =>
        {
            char value = (char)Classes.Representatives[c];
            Phase? next = Advance(state.Phase, value);
            return (next < Phase.Exponent && !(next == Phase.Fraction && value != '0'), (next ?? default, 0));
        },
        state => IsWhole(state.Phase) ? 0 : -1,
        budget);

    /// <summary>Plain numbers by how they compare with one.</summary>
    private static Dfa Compare(string plain, Func<int, bool> holds, ConstraintBudget budget)
    {
        (bool negative, string whole, string fraction) = PlainDecimal.Split(plain);
        bool zero = plain == "0";
        return Dfa.Build(
            Classes,
            new Comparison(Phase.Start, false, 0, 0),
            (Comparison at, int c) =>
            {
                char value = (char)Classes.Representatives[c];
                if (Advance(at.Phase, value) is not Phase next || next >= Phase.Exponent)
                {
                    return (false, at);
                }
                return (true, at.Take(next, value, whole, fraction));
            },
            at =>
            {
                if (!IsWhole(at.Phase))
                {
                    return -1;
                }
                int size = at.Size(whole, fraction);
                // Zero is zero with any sign.
                int order = zero ? (size == 0 ? 0 : at.Negative ? -1 : 1)
                    : at.Negative != negative ? (at.Negative ? -1 : 1)
                    : negative ? -size : size;
                return holds(order) ? 0 : -1;
            },
            budget);
    }

    private static Dfa MultipleOf(string plain, ConstraintBudget budget)
    {
        (_, string whole, string fraction) = PlainDecimal.Split(plain);
        BigInteger divisor = BigInteger.Parse(whole + fraction, null);
        if (divisor > MaxRemainders)
        {
            throw budget.Exceeded($"{plain} has more than {MaxRemainders} remainders; use a smaller step.");
        }
        int modulus = (int)divisor;
        int places = fraction.Length;
        return Dfa.Build(
            Classes,
            (Phase: Phase.Start, Remainder: 0, Places: 0),
            ((Phase Phase, int Remainder, int Places) at, int c) =>
            {
                char value = (char)Classes.Representatives[c];
                if (Advance(at.Phase, value) is not Phase next || next >= Phase.Exponent)
                {
                    return (false, at);
                }
                if (value is '-' or '.')
                {
                    return (true, (next, at.Remainder, 0));
                }
                if (next == Phase.Fraction && at.Places == places)
                {
                    return (value == '0', (next, at.Remainder, places));
                }
                return (true, (next, (int)(((at.Remainder * 10L) + (value - '0')) % modulus), at.Places + (next == Phase.Fraction ? 1 : 0)));
            },
            at => IsWhole(at.Phase) && at.Remainder * BigInteger.Pow(10, places - at.Places) % modulus == 0 ? 0 : -1,
            budget);
    }

    /// <summary>Some numbers, each in its plain form.</summary>
    private static Dfa Words(string[] words, ConstraintBudget budget) => Dfa.Build(
        Classes,
        string.Empty,
        (string read, int c) =>
        {
            string next = read + (char)Classes.Representatives[c];
            return (words.Any(word => word.StartsWith(next, StringComparison.Ordinal)), next);
        },
        read => words.Contains(read) ? 0 : -1,
        budget);

    // Digits read of the whole part or the fraction, and how they compare with as many of the other number's.
    private readonly record struct Comparison(Phase Phase, bool Negative, int Digits, int Order)
    {
        public Comparison Take(Phase next, char value, string whole, string fraction)
        {
            switch (value)
            {
                case '-':
                    return this with { Phase = next, Negative = true };
                case '.':
                    return this with { Phase = next, Digits = 0, Order = WholeOrder(whole) };
                default:
                    string other = next == Phase.Fraction ? fraction : whole;
                    int order = Order != 0 ? Order
                        : Digits < other.Length ? value.CompareTo(other[Digits])
                        : next == Phase.Fraction ? value.CompareTo('0')
                        : 0;
                    return this with
                    {
                        Phase = next,
                        Digits = Math.Min(Digits + 1, other.Length + 1),
                        Order = Math.Sign(order),
                    };
            }
        }

        /// <summary>How the sizes compare, signs aside.</summary>
        public int Size(string whole, string fraction) => Phase == Phase.Fraction
            ? (Order == 0 && Digits < fraction.Length ? -1 : Order)
            : WholeOrder(whole) is int order and not 0 ? order
            : fraction.Length > 0 ? -1 : 0;

        private int WholeOrder(string whole) =>
            Digits != whole.Length ? Digits.CompareTo(whole.Length) : Order;
    }
}
