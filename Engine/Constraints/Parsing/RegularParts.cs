using System.Diagnostics.CodeAnalysis;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Regex;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>Finds the parts of a grammar that are regular as they stand: without rules that recur and without schemas.</summary>
internal sealed class RegularParts(Grammar grammar, ConstraintBudget budget)
{
    // An automaton of more states than this is taken apart into its pieces instead.
    private const int MaxStates = 4096;

    private readonly Dictionary<string, bool> regularRules = new(StringComparer.Ordinal);
    private readonly Dictionary<GrammarExpression, (string Key, Dfa? Dfa)> compiled = new(ReferenceEqualityComparer.Instance);
    private int lastKey;

    public bool IsRegular(GrammarExpression expression) => expression switch
    {
        GrammarExpression.Value or GrammarExpression.Automaton => false,
        GrammarExpression.Sequence sequence => sequence.Parts.All(IsRegular),
        GrammarExpression.Choice choice => choice.Parts.All(IsRegular),
        GrammarExpression.Repeat repeat => IsRegular(repeat.Part),
        GrammarExpression.Reference reference => IsRegular(reference.Rule),
        _ => true,
    };

    public bool TryCompile(GrammarExpression expression, out string key, [NotNullWhen(true)] out Dfa? dfa)
    {
        if (!compiled.TryGetValue(expression, out (string Key, Dfa? Dfa) known))
        {
            known = ($"grammar {Guid.NewGuid():N} {lastKey++}", IsRegular(expression) ? Compile(expression) : null);
            compiled.Add(expression, known);
        }
        (key, dfa) = known;
        return dfa is not null;
    }

    private bool IsRegular(string rule)
    {
        if (!regularRules.TryGetValue(rule, out bool known))
        {
            // A rule that comes back to itself before it is known recurs.
            regularRules[rule] = false;
            known = IsRegular(grammar.Rules[rule]);
            regularRules[rule] = known;
        }
        return known;
    }

    private Dfa? Compile(GrammarExpression expression)
    {
        RegexAlgebra algebra = new();
        ConstraintBudget own = new(budget.Limits with { MaxStates = MaxStates }) { Subject = budget.Subject };
        bool isPattern = expression is GrammarExpression.Pattern or GrammarExpression.Literal or GrammarExpression.Character;
        try
        {
            Dfa dfa = RegexDerivatives.Compile(algebra, Convert(expression, algebra), isPattern ? budget : own);
            budget.CountStates(dfa.StateCount);
            return dfa;
        }
        catch (ConstraintException error) when (!isPattern && error.Keyword == own.Subject.Keyword)
        {
            return null;
        }
    }

    private RegexNode Convert(GrammarExpression expression, RegexAlgebra algebra) => expression switch
    {
        GrammarExpression.Literal literal => algebra.Literal(literal.Text),
        GrammarExpression.Character character => algebra.Set(character.Set),
        GrammarExpression.Pattern pattern => RegexParser.Parse(pattern.Expression, algebra, budget.Limits).Before(algebra.Empty, algebra),
        GrammarExpression.Sequence sequence => sequence.Parts.Reverse().Aggregate(
            algebra.Empty, (rest, part) => algebra.Concat(Convert(part, algebra), rest)),
        GrammarExpression.Choice choice => algebra.Or([.. choice.Parts.Select(part => Convert(part, algebra))]),
        GrammarExpression.Repeat repeat => algebra.Loop(Convert(repeat.Part, algebra), repeat.Min, repeat.Max),
        GrammarExpression.Reference reference => Convert(grammar.Rules[reference.Rule], algebra),
        _ => throw new InvalidOperationException($"{expression.GetType().Name} is not regular."),
    };
}
