using Llama4Kernels.Engine.Constraints.JsonSchema;
using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>
/// Turns a grammar into rules of the machine. What is regular becomes one automaton, so that the machine meets only what nests. Rules
/// may be empty, recur in any way, and hold what no text belongs to; none of that is left when the machine runs.
/// </summary>
internal sealed class GrammarCompiler
{
    private readonly Grammar _grammar;
    private readonly AutomatonLibrary _library;
    private readonly ConstraintBudget _budget;
    private readonly RegularParts _regular;
    private readonly Dictionary<string, GrammarRule> _rules = new(StringComparer.Ordinal);
    private readonly Queue<(string Name, GrammarRule Rule)> _unread = new();
    private readonly List<GrammarState> _states = [];

    private GrammarCompiler(Grammar grammar, AutomatonLibrary library, ConstraintBudget budget)
    {
        _grammar = grammar;
        _library = library;
        _budget = budget;
        _regular = new RegularParts(grammar, budget);
    }

    /// <summary>The rule of whole texts.</summary>
    /// <exception cref="ConstraintException">A rule is missing, no text belongs to the start, or a limit is exceeded.</exception>
    public static Rule Compile(Grammar grammar, AutomatonLibrary library, ConstraintBudget budget) =>
        new GrammarCompiler(grammar, library, budget).Compile();

    private Rule Compile()
    {
        GrammarRule start = RuleOf(_grammar.Start);
        while (_unread.TryDequeue(out (string Name, GrammarRule Rule) next))
        {
            Body(next.Rule.Start!, _grammar.Rules[next.Name]).IsFinal = true;
        }
        new GrammarReduction([.. _rules.Values], _states, _budget).Apply();
        if (!start.IsProductive)
        {
            throw _budget.Exceeded($"no text belongs to {_grammar.Start}: every way to write it needs itself, or what matches nothing.");
        }
        return new Rule(() => new LazyNode(() => new Node.Edges([], [new Node.Call(start.Parsed, LazyNode.End)], start.IsNullable)));
    }

    private GrammarRule RuleOf(string name)
    {
        if (!_rules.TryGetValue(name, out GrammarRule? rule))
        {
            if (!_grammar.Rules.ContainsKey(name))
            {
                throw new ConstraintException("grammar", string.Empty, $"there is no rule {name}.");
            }
            rule = new GrammarRule { Start = NewState() };
            _rules.Add(name, rule);
            _unread.Enqueue((name, rule));
        }
        return rule;
    }

    private GrammarState NewState()
    {
        _budget.CountStates(1);
        GrammarState state = new();
        _states.Add(state);
        return state;
    }

    /// <summary>Adds an expression at a place and returns the place after it.</summary>
    private GrammarState Body(GrammarState from, GrammarExpression expression)
    {
        if (_regular.TryCompile(expression, out string key, out Dfa? dfa))
        {
            return Texts(from, key, dfa);
        }
        switch (expression)
        {
            case GrammarExpression.Automaton texts:
                return Texts(from, texts.Key, texts.Texts);
            case GrammarExpression.Sequence sequence:
                return Sequence(from, sequence);
            case GrammarExpression.Choice choice:
                GrammarState joined = NewState();
                foreach (GrammarExpression part in choice.Parts)
                {
                    GrammarState branch = NewState();
                    from.Empty.Add(branch);
                    Body(branch, part).Empty.Add(joined);
                }
                return joined;
            case GrammarExpression.Repeat repeat:
                return Repeat(from, repeat);
            case GrammarExpression.Value value:
                return Call(from, new GrammarRule { Parsed = RuleOf(value), IsProductive = true });
            case GrammarExpression.Reference reference:
                return Call(from, RuleOf(reference.Rule));
            default:
                throw new InvalidOperationException($"{expression.GetType().Name} is regular.");
        }
    }

    private Rule RuleOf(GrammarExpression.Value value)
    {
        try
        {
            return new JsonGrammar(new SchemaProgram(value.Schema.Clone(), _library, _budget), value.Dialect, value.FreeSpace).Root();
        }
        catch (ConstraintException error) when (value.Owner.Length > 0)
        {
            throw new ConstraintException(error.Keyword, value.Owner + error.Place, error.Reason);
        }
    }

    private GrammarState Call(GrammarState from, GrammarRule rule)
    {
        GrammarState after = NewState();
        from.Calls.Add((rule, after));
        return after;
    }

    private GrammarState Texts(GrammarState from, string key, Dfa dfa)
    {
        GrammarState after = NewState();
        if (!dfa.IsEmpty)
        {
            if (dfa.Tags[0] >= 0)
            {
                from.Empty.Add(after);
            }
            TextAutomaton automaton = _library.Text(key, dfa, TextForm.Raw, 0, int.MaxValue, _budget);
            if (automaton.Continues(0))
            {
                from.Terminals.Add((automaton, after));
            }
        }
        return after;
    }

    // Neighbours that are regular together become one automaton.
    private GrammarState Sequence(GrammarState from, GrammarExpression.Sequence sequence)
    {
        for (int first = 0; first < sequence.Parts.Count;)
        {
            int end = first + 1;
            while (end < sequence.Parts.Count && _regular.IsRegular(sequence.Parts[first]) && _regular.IsRegular(sequence.Parts[end]))
            {
                end++;
            }
            if (end - first > 1 && (first > 0 || end < sequence.Parts.Count)
                && _regular.TryCompile(new GrammarExpression.Sequence([.. sequence.Parts.Skip(first).Take(end - first)]), out string key, out Dfa? dfa))
            {
                from = Texts(from, key, dfa);
                first = end;
            }
            else
            {
                from = Body(from, sequence.Parts[first++]);
            }
        }
        return from;
    }

    private GrammarState Repeat(GrammarState from, GrammarExpression.Repeat repeat)
    {
        for (int i = 0; i < repeat.Min; i++)
        {
            from = Body(from, repeat.Part);
        }
        GrammarState end = NewState();
        if (repeat.Max == int.MaxValue)
        {
            // A place of its own to come back to: what leads to the one before must not be repeated.
            GrammarState loop = NewState();
            from.Empty.Add(loop);
            Body(loop, repeat.Part).Empty.Add(loop);
            loop.Empty.Add(end);
            return end;
        }
        for (int i = repeat.Min; i < repeat.Max; i++)
        {
            from.Empty.Add(end);
            GrammarState once = NewState();
            from.Empty.Add(once);
            from = Body(once, repeat.Part);
        }
        from.Empty.Add(end);
        return end;
    }
}
