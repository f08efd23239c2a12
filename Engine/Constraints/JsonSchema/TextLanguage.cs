using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>The strings that meet conditions: a few words, or the texts of an automaton within bounds of length.</summary>
/// <param name="Key">Equal keys mean equal automata.</param>
/// <param name="Words">The words, or null.</param>
/// <param name="Dfa">The texts, where there are no words.</param>
/// <param name="Min">Code points at least.</param>
/// <param name="Max">Code points at most, or int.MaxValue.</param>
internal sealed record TextLanguage(string Key, string[]? Words, Dfa Dfa, int Min, int Max)
{
    // An automaton of more states takes longer to make than masks gain by it.
    private const int MostUnitedStates = 1000;

    public bool IsEmpty => Words is null ? Dfa.IsEmpty || Min > Max : Words.Length == 0;

    public static TextLanguage Of(IReadOnlyCollection<TextTest> tests, int min, int max, AutomatonLibrary library, ConstraintBudget budget)
    {
        string[]? words = null;
        foreach (TextTest test in tests.Where(test => test is { Kind: TextTestKind.OneOf, Negative: false }))
        {
            words = words is null ? test.Words : [.. words.Intersect(test.Words!, StringComparer.Ordinal)];
        }
        foreach (TextTest test in tests.Where(test => test is { Kind: TextTestKind.Format, Negative: false }))
        {
            max = Math.Min(max, Formats.Longest(test.Operand));
        }
        if (words is not null)
        {
            words = [.. words.Where(word => Length(word) >= min && Length(word) <= max && tests.All(test => Holds(test, word)))];
            return new TextLanguage(string.Empty, words, DfaOperations.Nothing, 0, int.MaxValue);
        }
        if (tests.Count == 0)
        {
            return new TextLanguage(string.Empty, null, DfaOperations.Universal, min, max);
        }
        TextTest[] ordered = [.. tests.OrderBy(Name, StringComparer.Ordinal)];
        string key = string.Join('\0', ordered.Select(Name));
        Dfa dfa = library.Dfa(key, () => ordered.Aggregate(DfaOperations.Universal, Apply));
        bool isEmpty = new BoundedTexts(dfa, min, max, budget).IsEmpty;
        return new TextLanguage(key, null, isEmpty ? DfaOperations.Nothing : dfa, min, max);

        bool Holds(TextTest test, string word) => test.Negative != test.Kind switch
        {
            TextTestKind.Pattern => library.Pattern(test.Operand, budget).Accepts(word),
            TextTestKind.Format => Length(word) <= Formats.Longest(test.Operand) && Formats.Of(test.Operand, library, budget).Accepts(word),
            _ => test.Words!.Contains(word, StringComparer.Ordinal),
        };

        Dfa Apply(Dfa texts, TextTest test)
        {
            if (test is { Kind: TextTestKind.Format, Negative: true } && Formats.IsPartial(test.Operand))
            {
                throw budget.Exceeded($"that a text is not of the format {test.Operand} cannot be kept to.");
            }
            Dfa holds = test.Kind switch
            {
                TextTestKind.Pattern => library.Pattern(test.Operand, budget),
                // Beside the others the length is counted apart.
                TextTestKind.Format when test.Negative => Bounded(Formats.Of(test.Operand, library, budget), 0, Formats.Longest(test.Operand), library, budget),
                TextTestKind.Format => Formats.Of(test.Operand, library, budget),
                _ => DfaWords.Of(test.Words!, budget),
            };
            return test.Negative ? DfaOperations.Except(texts, holds, budget) : DfaOperations.Intersect(texts, holds, budget);
        }
    }

    /// <summary>Several without words and with the same bounds as one; null if the automaton is large.</summary>
    public static TextLanguage? TryUnite(TextLanguage[] texts, AutomatonLibrary library, ConstraintBudget budget)
    {
        ConstraintBudget own = budget.ForPart(MostUnitedStates, budget.Limits.MaxCompileTime);
        TextLanguage[] ordered = [.. texts.OrderBy(text => text.Key, StringComparer.Ordinal)];
        string key = "any of\0" + string.Join("\0\0", ordered.Select(text => text.Key));
        try
        {
            Dfa dfa = library.Dfa(key, () => ordered.Aggregate(DfaOperations.Nothing, (all, text) => DfaOperations.Union(all, text.Dfa, own)));
            BoundedTexts.Check(dfa, texts[0].Min, own);
            return new TextLanguage(key, null, dfa, texts[0].Min, texts[0].Max);
        }
        catch (ConstraintException)
        {
            return null;
        }
    }

    /// <summary>The texts without their bounds of length: with the bounds in the automaton.</summary>
    public Dfa ToDfa(AutomatonLibrary library, ConstraintBudget budget) =>
        Words is not null ? DfaWords.Of(Words, budget) : Bounded(Dfa, Min, Max, library, budget);

    private static Dfa Bounded(Dfa dfa, int min, int max, AutomatonLibrary library, ConstraintBudget budget) =>
        min == 0 && max == int.MaxValue ? dfa
        : DfaOperations.Intersect(
            dfa, library.FullMatch($"[^]{{{min},{(max == int.MaxValue ? string.Empty : max.ToString(null, null))}}}", budget), budget);

    private static int Length(string word) => word.EnumerateRunes().Count();

    private static string Name(TextTest test) =>
        $"{test.Negative}{test.Kind}{test.Operand}\u0001{(test.Words is null ? string.Empty : string.Join('\u0001', test.Words))}";
}
