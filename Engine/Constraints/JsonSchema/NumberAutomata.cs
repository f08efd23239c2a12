using System.Numerics;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Regex;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>
/// Automata of written numbers. Under conditions a number is written plainly, with any zeros at the end of its fraction, or
/// scientifically: one digit other than zero before the point, so many after it, and an exponent that a double can have. Every value has
/// a plain form.
/// </summary>
internal static class NumberAutomata
{
    // Digits of a double after the point; with a step fewer, since its remainders are counted beside them.
    private const int MaxPlaces = 17;
    private const int MaxPlacesOfSteps = 6;

    /// <summary>Every number of JSON.</summary>
    public static Dfa Any { get; } = Full("-?(?:0|[1-9]\\d*)(?:\\.\\d+)?(?:[eE][+-]?\\d+)?");

    private static Dfa Plain { get; } = Full("-?(?:0|[1-9]\\d*)(?:\\.\\d+)?");

    private static Dfa Digits { get; } = Full("-?(?:0|[1-9]\\d*)");

    private static Dfa Scientific { get; } = WithExponents(MaxPlaces);

    // What most schemas ask of numbers.
    private static Dfa ScientificIntegers { get; } = DfaOperations.Intersect(
        Scientific, NumberSteps.MultipleOf("1", ConstraintBudget.Unbounded()), ConstraintBudget.Unbounded());

    private static Dfa ScientificSteps { get; } = WithExponents(MaxPlacesOfSteps);

    /// <summary>The numbers that meet all conditions.</summary>
    public static Dfa Of(IReadOnlyCollection<NumberTest> tests, ConstraintBudget budget)
    {
        Dfa result = Domain(tests, budget);
        NumberTest integer = new(NumberTestKind.Integer, string.Empty);
        bool areIntegers = result == Scientific && tests.Contains(integer);
        result = areIntegers ? ScientificIntegers : result;
        foreach (NumberTest test in tests.Where(test => !areIntegers || test != integer))
        {
            Dfa holds = test.Kind switch
            {
                NumberTestKind.Digits => Digits,
                NumberTestKind.Integer => NumberSteps.MultipleOf("1", budget),
                NumberTestKind.AtLeast => NumberComparison.Of(test.Operand, order => order >= 0, budget),
                NumberTestKind.MoreThan => NumberComparison.Of(test.Operand, order => order > 0, budget),
                NumberTestKind.MultipleOf => NumberSteps.MultipleOf(test.Operand, budget),
                _ => test.Negative
                    ? test.Operand.Split(' ').Select(value => PlainDecimal.Of(value)!).Distinct(StringComparer.Ordinal)
                        .Select(value => NumberComparison.Of(value, order => order == 0, budget)).Aggregate((a, b) => DfaOperations.Union(a, b, budget))
                    : DfaWords.Of(test.Operand.Split(' '), budget),
            };
            result = test.Negative ? DfaOperations.Except(result, holds, budget) : DfaOperations.Intersect(result, holds, budget);
        }
        return result;
    }

    /// <summary>Those of some numbers that have no exponent, no zeros at the end of a fraction and no sign before zero.</summary>
    public static Dfa InOneWay(string key, Dfa numbers, AutomatonLibrary library, ConstraintBudget budget) => library.Dfa(
        key + " in one way",
        () => DfaOperations.Intersect(numbers, library.FullMatch("0|-?[1-9]\\d*|-?(?:0|[1-9]\\d*)\\.\\d*[1-9]", budget), budget));

    // The writings over which every condition is exact.
    private static Dfa Domain(IReadOnlyCollection<NumberTest> tests, ConstraintBudget budget)
    {
        if (tests.Count == 0)
        {
            return Any;
        }
        if (tests.Any(test => test is { Kind: NumberTestKind.OneOf, Negative: false }))
        {
            // Words are written as they are.
            return tests.Count == 1 ? Any : Scientific;
        }
        NumberTest[] steps = [.. tests.Where(test => test.Kind == NumberTestKind.MultipleOf)];
        return steps.Any(test => !NumberSteps.HaveExponents(test.Operand, budget)) ? Plain
            : steps.Any(test => !NumberSteps.ArePowersOfTen(test.Operand)) ? ScientificSteps
            : Scientific;
    }

    private static Dfa WithExponents(int places) => Full(
        $"-?(?:0|[1-9]\\d*)(?:\\.\\d+)?|-?(?:[1-9](?:\\.\\d{{1,{places}}})?|0(?:\\.0{{1,{places}}})?)[eE][+-]?(?:\\d\\d?|[0-2]\\d\\d|30[0-7])");

    private static Dfa Full(string pattern) => RegexParser.FullMatch(pattern, ConstraintBudget.Unbounded());
}
