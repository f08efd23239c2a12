using Llama4Kernels.Engine.Constraints.JsonSchema;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Regex;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>
/// Turns a grammar into rules of nodes. What is regular becomes one automaton, so that the machine meets only what nests.
/// </summary>
internal sealed class GrammarCompiler
{
    private readonly Grammar grammar;
    private readonly AutomatonLibrary library;
    private readonly ConstraintBudget budget;
    private readonly RegularParts regular;
    private readonly Dictionary<string, Rule> rules = new(StringComparer.Ordinal);

    private GrammarCompiler(Grammar grammar, AutomatonLibrary library, ConstraintBudget budget)
    {
        this.grammar = grammar;
        this.library = library;
        this.budget = budget;
        regular = new RegularParts(grammar, budget);
    }

    /// <exception cref="ConstraintException">A rule is missing, recurs on its left through others, has no text, or is beyond a limit.</exception>
    public static Rule Compile(Grammar grammar, AutomatonLibrary library, ConstraintBudget budget)
    {
        grammar = LeftRecursion.Remove(grammar);
        GrammarChecks.Check(grammar);
        return new GrammarCompiler(grammar, library, budget).RuleOf(grammar.Start);
    }

    private Rule RuleOf(string name)
    {
        if (!rules.TryGetValue(name, out Rule? rule))
        {
            rule = new Rule(() => Before(grammar.Rules[name], new GrammarNode(isFinal: true)));
            rules.Add(name, rule);
            // Everything is looked at now, so that what cannot be compiled is refused before the first token.
            _ = rule.Start;
        }
        return rule;
    }

    /// <summary>The place before an expression that goes on at a place after it.</summary>
    private GrammarNode Before(GrammarExpression expression, GrammarNode after)
    {
        if (regular.TryCompile(expression, out string key, out Dfa? dfa))
        {
            return BeforeTexts(key, dfa, after);
        }
        switch (expression)
        {
            case GrammarExpression.Automaton texts:
                return BeforeTexts(texts.Key, texts.Texts, after);
            case GrammarExpression.Sequence sequence:
                return BeforeSequence(sequence, after);
            case GrammarExpression.Choice choice:
                GrammarNode node = new();
                node.Free.AddRange(choice.Parts.Select(part => Before(part, after)));
                return node;
            case GrammarExpression.Repeat repeat:
                return BeforeRepeat(repeat, after);
            case GrammarExpression.Value value:
                SchemaProgram program = new(value.Schema.Clone(), library, budget);
                return BeforeRule(new JsonGrammar(program, value.Dialect, value.FreeSpace).Root(), after);
            case GrammarExpression.Reference reference:
                return BeforeRule(RuleOf(reference.Rule), after);
            default:
                throw new InvalidOperationException($"{expression.GetType().Name} is regular.");
        }
    }

    private static GrammarNode BeforeRule(Rule rule, GrammarNode after)
    {
        GrammarNode node = new();
        node.Calls.Add(new Node.Call(rule, after));
        return node;
    }

    private GrammarNode BeforeTexts(string key, Dfa dfa, GrammarNode after)
    {
        GrammarNode node = new();
        if (dfa.IsEmpty)
        {
            return node;
        }
        if (dfa.Tags[0] >= 0)
        {
            node.Free.Add(after);
        }
        TextAutomaton automaton = library.Text(key, dfa, TextForm.Raw, 0, int.MaxValue, budget);
        if (automaton.Continues(0))
        {
            node.Terminals.Add(new Node.Terminal(automaton, _ => after));
        }
        return node;
    }

    // Neighbours that are regular together become one automaton.
    private GrammarNode BeforeSequence(GrammarExpression.Sequence sequence, GrammarNode after)
    {
        GrammarNode node = after;
        for (int last = sequence.Parts.Count - 1; last >= 0;)
        {
            int first = last;
            while (first > 0 && regular.IsRegular(sequence.Parts[last]) && regular.IsRegular(sequence.Parts[first - 1]))
            {
                first--;
            }
            GrammarExpression part = first == last ? sequence.Parts[last]
                : new GrammarExpression.Sequence([.. sequence.Parts.Skip(first).Take(last - first + 1)]);
            if (part is GrammarExpression.Sequence run && first < last && !regular.TryCompile(run, out _, out _))
            {
                first = last;
                part = sequence.Parts[last];
            }
            node = Before(part, node);
            last = first - 1;
        }
        return node;
    }

    private GrammarNode BeforeRepeat(GrammarExpression.Repeat repeat, GrammarNode after)
    {
        if (repeat is { Min: 0, Max: int.MaxValue })
        {
            GrammarNode loop = new();
            loop.Free.Add(after);
            loop.Free.Add(Before(repeat.Part, loop));
            return loop;
        }
        return Round(0);

        // One more round is made when the one before it is reached.
        GrammarNode Round(int count)
        {
            if (count >= repeat.Min && repeat.Max == int.MaxValue)
            {
                return BeforeRepeat(repeat with { Min = 0 }, after);
            }
            GrammarNode node = new();
            if (count >= repeat.Min)
            {
                node.Free.Add(after);
            }
            if (count < repeat.Max)
            {
                GrammarNode next = new() { Prepare = following => following.Free.Add(Round(count + 1)) };
                node.Free.Add(Before(repeat.Part, next));
            }
            return node;
        }
    }
}
