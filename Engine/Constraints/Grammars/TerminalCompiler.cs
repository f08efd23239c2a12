using System.Text;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Regex;

namespace Llama4Kernels.Engine.Constraints.Grammars;

/// <summary>Turns a grammar's terminals, strings and expressions into automata.</summary>
internal sealed class TerminalCompiler(Dictionary<string, GrammarDefinition> definitions, AutomatonLibrary library, ConstraintBudget budget)
{
    private readonly RegexAlgebra algebra = new();
    private readonly Dictionary<string, RegexNode> named = new(StringComparer.Ordinal);
    private readonly Dictionary<RegexNode, (Automaton? Automaton, bool IsNullable)> automata = [];
    private readonly HashSet<string> open = new(StringComparer.Ordinal);

    /// <summary>The automaton of the texts but the empty one, null if there are none, and whether the empty text is one.</summary>
    public (Automaton? Automaton, bool IsNullable) Compile(GrammarTerm term)
    {
        if (term is GrammarTerm.Text { IgnoresCase: false } text)
        {
            return text.Value.Length == 0 ? (null, true) : (library.Literal(text.Value), false);
        }
        RegexNode node = NodeOf(term);
        if (!automata.TryGetValue(node, out (Automaton? Automaton, bool IsNullable) known))
        {
            budget.Subject = ("grammar", term.Place);
            Dfa dfa = RegexDerivatives.Compile(algebra, node, budget);
            bool hasTexts = !dfa.IsEmpty && (dfa.StateCount > 1 || Enumerable.Range(0, dfa.Classes.Count).Any(c => dfa.NextByClass(0, c) != Dfa.Dead));
            known = (hasTexts ? new TextAutomaton(dfa, TextForm.Raw, 0, int.MaxValue, new SliceStore(), budget) : null, !dfa.IsEmpty && dfa.Tags[0] >= 0);
            automata.Add(node, known);
        }
        return known;
    }

    private RegexNode NodeOf(GrammarTerm term)
    {
        budget.CountAlternatives(1);
        switch (term)
        {
            case GrammarTerm.Alternatives alternatives:
                return algebra.Or(alternatives.Parts.Select(NodeOf).ToArray());
            case GrammarTerm.Sequence sequence:
                return sequence.Parts.Reverse().Aggregate(algebra.Empty, (rest, part) => algebra.Concat(NodeOf(part), rest));
            case GrammarTerm.Repeat repeat:
                return algebra.Loop(NodeOf(repeat.Part), repeat.Min, repeat.Max == int.MaxValue ? RegexNode.Unbounded : repeat.Max);
            case GrammarTerm.Text text:
                return text.IgnoresCase ? Folded(text.Value) : algebra.Literal(text.Value);
            case GrammarTerm.Span span:
                return algebra.Set(CodePointSet.Of((span.Low, span.High)));
            case GrammarTerm.Expression expression:
                return ExpressionOf(expression);
            case GrammarTerm.Reference reference:
                return Named(reference);
            default:
                throw new ConstraintException("grammar", term.Place, "a terminal cannot hold a schema; use it in a rule.");
        }
    }

    private RegexNode ExpressionOf(GrammarTerm.Expression expression)
    {
        try
        {
            RegexSyntax syntax = RegexParser.Parse(expression.Pattern, algebra, budget.Limits);
            return syntax.LooksAround
                ? throw new ConstraintException("grammar", expression.Place, "anchors, word boundaries and lookahead are not supported in a grammar: a terminal does not see what stands around it.")
                : syntax.Before(algebra.Empty, algebra);
        }
        catch (ConstraintException error) when (error.Keyword != "grammar")
        {
            throw new ConstraintException("grammar", expression.Place, $"the expression {error.Message}");
        }
    }

    private RegexNode Named(GrammarTerm.Reference reference)
    {
        if (!definitions.TryGetValue(reference.Name, out GrammarDefinition? definition))
        {
            throw new ConstraintException("grammar", reference.Place, $"{reference.Name} is not defined.");
        }
        if (!definition.IsTerminal)
        {
            throw new ConstraintException("grammar", reference.Place, $"{reference.Name} is a rule; a terminal may hold terminals only.");
        }
        if (named.TryGetValue(reference.Name, out RegexNode? known))
        {
            return known;
        }
        if (!open.Add(reference.Name) || open.Count > budget.Limits.MaxDepth)
        {
            throw new ConstraintException("grammar", reference.Place, open.Count > budget.Limits.MaxDepth
                ? $"terminals nest deeper than {budget.Limits.MaxDepth}."
                : $"{reference.Name} holds itself; only rules may.");
        }
        RegexNode node = NodeOf(definition.Body);
        open.Remove(reference.Name);
        named.Add(reference.Name, node);
        return node;
    }

    private RegexNode Folded(string value)
    {
        RegexNode result = algebra.Empty;
        foreach (Rune rune in value.EnumerateRunes().Reverse())
        {
            (int lower, int upper) = (Rune.ToLowerInvariant(rune).Value, Rune.ToUpperInvariant(rune).Value);
            result = algebra.Concat(algebra.Set(CodePointSet.Of((rune.Value, rune.Value), (lower, lower), (upper, upper))), result);
        }
        return result;
    }
}
