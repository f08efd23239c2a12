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

    private static readonly TimeSpan s_maxTime = TimeSpan.FromMilliseconds(200);

    private readonly Dictionary<string, bool> _regularRules = new(StringComparer.Ordinal);
    private readonly Dictionary<GrammarExpression, bool> _regularExpressions = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<GrammarExpression, (string Key, Dfa? Dfa)> _compiled = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<GrammarExpression, RegexNode> _converted = new(ReferenceEqualityComparer.Instance);
    private readonly RegexAlgebra _algebra = new(budget);
    private readonly string _name = $"grammar {Guid.NewGuid():N} ";
    private int _depth;

    public bool IsRegular(GrammarExpression expression)
    {
        if (!_regularExpressions.TryGetValue(expression, out bool known))
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
            _regularExpressions.Add(expression, known);
        }
        return known;
    }

    public bool TryCompile(GrammarExpression expression, out string key, [NotNullWhen(true)] out Dfa? dfa)
    {
        if (!_compiled.TryGetValue(expression, out (string Key, Dfa? Dfa) known))
        {
            known = (_name + _compiled.Count, IsRegular(expression) ? Compile(expression) : null);
            _compiled.Add(expression, known);
        }
        (key, dfa) = known;
        return dfa is not null;
    }

    private bool IsRegular(string rule)
    {
        if (!_regularRules.TryGetValue(rule, out bool known))
        {
            // A rule that comes back to itself before it is known recurs.
            _regularRules[rule] = false;
            _depth++;
            known = _depth < MaxDepth && grammar.Rules.TryGetValue(rule, out GrammarExpression? body) && IsRegular(body);
            _depth--;
            _regularRules[rule] = known;
        }
        return known;
    }

    private Dfa? Compile(GrammarExpression expression)
    {
        bool isPiece = expression is GrammarExpression.Pattern or GrammarExpression.Literal or GrammarExpression.Character;
        ConstraintBudget own = budget.ForPart(MaxStates, s_maxTime);
        RegexNode node = Convert(expression);
        try
        {
            Dfa dfa = RegexDerivatives.Compile(_algebra, node, isPiece ? budget : own);
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
        if (!_converted.TryGetValue(expression, out RegexNode? node))
        {
            budget.CountAlternatives(1);
            node = expression switch
            {
                GrammarExpression.Literal literal => _algebra.Literal(literal.Text),
                GrammarExpression.Character character => _algebra.Set(character.Set),
                GrammarExpression.Pattern pattern => RegexParser.Parse(pattern.Expression, _algebra, budget.Limits).Before(_algebra.Empty, _algebra),
                GrammarExpression.Sequence sequence => sequence.Parts.Reverse().Aggregate(
                    _algebra.Empty, (rest, part) => _algebra.Concat(Convert(part), rest)),
                GrammarExpression.Choice choice => _algebra.Or([.. choice.Parts.Select(Convert)]),
                GrammarExpression.Repeat repeat => _algebra.Loop(Convert(repeat.Part), repeat.Min, repeat.Max),
                GrammarExpression.Reference reference => Convert(grammar.Rules[reference.Rule]),
                _ => throw new InvalidOperationException($"{expression.GetType().Name} is not regular."),
            };
            _converted.Add(expression, node);
        }
        return node;
    }
}
