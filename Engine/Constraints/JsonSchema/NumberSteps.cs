using System.Numerics;
using Llama4Kernels.Engine.Constraints.Lexing;
using static Llama4Kernels.Engine.Constraints.JsonSchema.NumberReader;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Automata of the written multiples of a number.</summary>
internal static class NumberSteps
{
    private const int MaxRemainders = 20_000;
    private const int MaxRemaindersWithExponent = 30;

    // Less than the exponent of any double.
    private const int BelowAll = -1000;

    /// <summary>Whether the automaton also reads exponents.</summary>
    public static bool HaveExponents(string plain, ConstraintBudget budget) => Split(plain, budget).Core <= MaxRemaindersWithExponent;

    public static bool ArePowersOfTen(string plain) => plain.Trim('0', '.') == "1";

    /// <summary>
    /// The multiples, plain or with one digit before the point and an exponent. Exact for as many digits after the point before an
    /// exponent as the callers allow.
    /// </summary>
    /// <param name="plain">The step, more than zero; see <see cref="PlainDecimal"/>.</param>
    /// <param name="budget">Bounds the states.</param>
    public static Dfa MultipleOf(string plain, ConstraintBudget budget)
    {
        (int modulus, int places, int core, int power) = Split(plain, budget);
        bool exponents = core <= MaxRemaindersWithExponent;
        // Beyond these the forms with an exponent end, so that they need not be told apart.
        int mostPlaces = core == 1 ? 18 : 7;
        return Dfa.Build(
            Classes,
            new State(Phase.Start, 0, 0, exponents ? new Mantissa(0, 0, 0) : null, null),
            (State at, int c) =>
            {
                char value = (char)Classes.Representatives[c];
                if (Advance(at.Phase, value) is not Phase next)
                {
                    return (false, at);
                }
                State after = at with { Phase = next };
                switch (value)
                {
                    case '-' when next == Phase.Minus:
                    case '.':
                        return (true, after);
                    case 'e' or 'E':
                        return (at.Mantissa is not null, new State(next, 0, 0, null, at.Mantissa is { } mantissa ? Least(mantissa, core, power) : null));
                    default:
                        if (next >= Phase.Exponent)
                        {
                            return (true, after with { Power = at.Power?.Take(value) });
                        }
                        bool isFraction = next == Phase.Fraction;
                        bool isPlain = !isFraction || at.Places < places;
                        Mantissa? digits = at.Phase == Phase.Whole && !isFraction ? null : at.Mantissa?.Take(value, isFraction, core);
                        after = after with { Mantissa = digits?.Places > mostPlaces ? null : digits };
                        after = isPlain
                            ? after with { Remainder = at.Remainder < 0 ? -1 : (int)(((at.Remainder * 10L) + (value - '0')) % modulus), Places = at.Places + (isFraction ? 1 : 0) }
                            : after with { Remainder = value == '0' ? at.Remainder : -1 };
                        return (after.Remainder >= 0 || after.Mantissa is not null, after);
                }
            },
            at => !IsWhole(at.Phase) ? -1
                : at.Phase == Phase.ExponentDigits ? (at.Power?.Compare() >= 0 ? 0 : -1)
                : at.Remainder >= 0 && at.Remainder * BigInteger.Pow(10, places - at.Places) % modulus == 0 ? 0 : -1,
            budget);
    }

    // The exponent from which on a number is a multiple; null if none is.
    private static Exponent? Least(Mantissa mantissa, int core, int power)
    {
        if (mantissa.IsZero)
        {
            return new Exponent(BelowAll);
        }
        int remainder = mantissa.Remainder;
        for (int more = 0; more < 16; more++)
        {
            if (remainder == 0)
            {
                return new Exponent(mantissa.Places - mantissa.Zeros - power + more);
            }
            remainder = remainder * 10 % core;
        }
        return null;
    }

    // A step is modulus / 10^places, and also core / 10^power with a core that does not end in zero.
    private static (int Modulus, int Places, int Core, int Power) Split(string plain, ConstraintBudget budget)
    {
        (_, string whole, string fraction) = PlainDecimal.Split(plain);
        BigInteger divisor = BigInteger.Parse(whole + fraction, null);
        if (divisor > MaxRemainders)
        {
            throw budget.Exceeded($"{plain} has more than {MaxRemainders} remainders; use a smaller step.");
        }
        int core = (int)divisor;
        int power = fraction.Length;
        while (core % 10 == 0)
        {
            core /= 10;
            power--;
        }
        return ((int)divisor, fraction.Length, core, power);
    }

    /// <summary>What has been read of a number whose first digit alone stands before the point.</summary>
    /// <param name="Remainder">Of all digits up to the last that is not zero, after division by the step's core.</param>
    /// <param name="Places">Digits after the point.</param>
    /// <param name="Zeros">Zeros at their end.</param>
    /// <param name="IsZero">Whether all digits are zeros.</param>
    private readonly record struct Mantissa(int Remainder, int Places, int Zeros, bool IsZero = true)
    {
        public Mantissa Take(char value, bool isFraction, int core)
        {
            int places = Places + (isFraction ? 1 : 0);
            if (value == '0')
            {
                return IsZero ? this : new Mantissa(Remainder, places, Zeros + 1, false);
            }
            long remainder = Remainder;
            for (int i = 0; i < Zeros; i++)
            {
                remainder = remainder * 10 % core;
            }
            return new Mantissa((int)(((remainder * 10) + (value - '0')) % core), places, 0, false);
        }
    }

    /// <param name="Phase">Where in the number.</param>
    /// <param name="Remainder">Of the plain number's digits; −1 if it is no multiple whatever follows.</param>
    /// <param name="Places">Digits after the point that count.</param>
    /// <param name="Mantissa">For an exponent to follow; null where none may.</param>
    /// <param name="Power">The exponent against the least that makes a multiple; null where none does.</param>
    private readonly record struct State(Phase Phase, int Remainder, int Places, Mantissa? Mantissa, Exponent? Power);
}
