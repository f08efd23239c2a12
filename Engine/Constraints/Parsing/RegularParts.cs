using System.Diagnostics.CodeAnalysis;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Regex;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>Finds the parts of a grammar that are regular as they stand: without rules that recur and without schemas.</summary>
internal sealed class RegularParts(Grammar grammar, ConstraintBudget budget)
{
    // An automaton of more states than this is taken apart into its pieces instead.
    private const int MaxStates = 4096;

    // Rules inside rules beyond which they stay rules.
    private const int MaxDepth = 64;

    private static readonly TimeSpan MaxTime = TimeSpan.FromMilliseconds(200);

    private readonly Dictionary<string, bool> regularRules = new(StringComparer.Ordinal);
    private readonly Dictionary<GrammarExpression, bool> regularExpressions = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<GrammarExpression, (string Key, Dfa? Dfa)> compiled = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<GrammarExpression, RegexNode> converted = new(ReferenceEqualityComparer.Instance);
    private readonly RegexAlgebra algebra = new(budget);
    private readonly string name = $"grammar {Guid.NewGuid():N} ";
    private int depth;

    public bool IsRegular(GrammarExpression expression)
    {
        if (!regularExpressions.TryGetValue(expression, out bool known))
        {
            known = expression switch
            {
                GrammarExpression.Value or GrammarExpression.Automaton => false,
                GrammarExpression.Sequence sequence => sequence.Parts.All(IsRegular),
                GrammarExpression.Choice choice => choice.Parts.All(IsRegular),
                GrammarExpression.Repeat repeat => IsRegular(repeat.Part),
                GrammarExpression.Reference reference => IsRegular(reference.Rule),
                _ => true,
            };
            regularExpressions.Add(expression, known);
        }
        return known;
    }

    public bool TryCompile(GrammarExpression expression, out string key, [NotNullWhen(true)] out Dfa? dfa)
    {
        if (!compiled.TryGetValue(expression, out (string Key, Dfa? Dfa) known))
        {
            known = (name + compiled.Count, IsRegular(expression) ? Compile(expression) : null);
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
            depth++;
            known = depth < MaxDepth && grammar.Rules.TryGetValue(rule, out GrammarExpression? body) && IsRegular(body);
            depth--;
            regularRules[rule] = known;
        }
        return known;
    }

    private Dfa? Compile(GrammarExpression expression)
    {
        bool isPiece = expression is GrammarExpression.Pattern or GrammarExpression.Literal or GrammarExpression.Character;
        ConstraintBudget own = budget.ForPart(MaxStates, MaxTime);
        RegexNode node = Convert(expression);
        try
        {
            Dfa dfa = RegexDerivatives.Compile(algebra, node, isPiece ? budget : own);
            budget.CountStates(dfa.StateCount);
            return dfa;
        }
        catch (ConstraintException) when (!isPiece)
        {
            budget.CountAlternatives(1);
            return null;
        }
    }

    private RegexNode Convert(GrammarExpression expression)
    {
        if (!converted.TryGetValue(expression, out RegexNode? node))
        {
            budget.CountAlternatives(1);
            node = expression switch
            {
                GrammarExpression.Literal literal => algebra.Literal(literal.Text),
                GrammarExpression.Character character => algebra.Set(character.Set),
                GrammarExpression.Pattern pattern => RegexParser.Parse(pattern.Expression, algebra, budget.Limits).Before(algebra.Empty, algebra),
                GrammarExpression.Sequence sequence => sequence.Parts.Reverse().Aggregate(
                    algebra.Empty, (rest, part) => algebra.Concat(Convert(part), rest)),
                GrammarExpression.Choice choice => algebra.Or([.. choice.Parts.Select(Convert)]),
                GrammarExpression.Repeat repeat => algebra.Loop(Convert(repeat.Part), repeat.Min, repeat.Max),
                GrammarExpression.Reference reference => Convert(grammar.Rules[reference.Rule]),
                _ => throw new InvalidOperationException($"{expression.GetType().Name} is not regular."),
            };
            converted.Add(expression, node);
        }
        return node;
    }
}
