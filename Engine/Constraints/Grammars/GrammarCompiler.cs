using Llama4Kernels.Engine.Constraints.JsonSchema;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Parsing;

namespace Llama4Kernels.Engine.Constraints.Grammars;

/// <summary>
/// Compiles a grammar: bodies of rules become small automata that call each other. Every way to read the text counts; there is no
/// longest match that takes a text away from a shorter terminal.
/// </summary>
internal sealed class GrammarCompiler
{
    private const string StartName = "start";

    private readonly Dictionary<string, GrammarDefinition> definitions;
    private readonly Dictionary<string, GrammarRule> rules = new(StringComparer.Ordinal);
    private readonly Queue<(GrammarDefinition Definition, GrammarRule Rule)> unread = new();
    private readonly List<GrammarState> states = [];
    private readonly List<Automaton> ignored = [];
    private readonly TerminalCompiler terminals;
    private readonly AutomatonLibrary library;
    private readonly ConstraintBudget budget;

    private GrammarCompiler(string text, AutomatonLibrary library, ConstraintBudget budget)
    {
        (this.library, this.budget) = (library, budget);
        (definitions, List<GrammarTerm> ignoredTerms) = GrammarParser.Read(text, budget.Limits);
        terminals = new TerminalCompiler(definitions, library, budget);
        foreach (GrammarTerm term in ignoredTerms)
        {
            if (terminals.Compile(term).Automaton is Automaton automaton)
            {
                ignored.Add(automaton);
            }
        }
    }

    /// <summary>The rule of the whole text.</summary>
    /// <param name="text">The grammar, with a rule start.</param>
    /// <param name="library">Automata in common.</param>
    /// <param name="budget">Bounds the work.</param>
    /// <exception cref="ConstraintException">The grammar is malformed or beyond a limit, or no text belongs to it.</exception>
    public static Rule Compile(string text, AutomatonLibrary library, ConstraintBudget budget)
    {
        if (text.Length > budget.Limits.MaxSourceLength)
        {
            throw new ConstraintException("grammar", string.Empty, $"is longer than {budget.Limits.MaxSourceLength} characters.");
        }
        budget.Subject = ("grammar", string.Empty);
        return new GrammarCompiler(text, library, budget).Compile();
    }

    private Rule Compile()
    {
        if (!definitions.TryGetValue(StartName, out GrammarDefinition? definition))
        {
            throw new ConstraintException("grammar", string.Empty, "has no rule start.");
        }
        GrammarRule start = RuleOf(definition);
        while (unread.TryDequeue(out (GrammarDefinition Definition, GrammarRule Rule) next))
        {
            budget.Subject = ("grammar", next.Definition.Place);
            GrammarState end = Body(next.Rule.Start!, next.Definition.Body);
            if (next.Rule == start)
            {
                end = Ignore(end);
            }
            end.IsFinal = true;
        }
        budget.Subject = ("grammar", definition.Place);
        new GrammarReduction([.. rules.Values], states, budget).Apply();
        if (!start.IsProductive)
        {
            throw new ConstraintException("grammar", definition.Place, "no text belongs to start: every way to write it needs itself.");
        }
        return new Rule(() => new LazyNode(() => new Node.Edges([], [new Node.Call(start.Parsed, LazyNode.End)], start.IsNullable)));
    }

    private GrammarRule RuleOf(GrammarDefinition definition)
    {
        if (!rules.TryGetValue(definition.Name, out GrammarRule? rule))
        {
            rule = new GrammarRule { Start = NewState(), Parsed = null! };
            rule.Parsed = new Rule(() => GrammarNode.StartOf(rule));
            rules.Add(definition.Name, rule);
            unread.Enqueue((definition, rule));
        }
        return rule;
    }

    private GrammarState NewState()
    {
        budget.CountStates(1);
        GrammarState state = new();
        states.Add(state);
        return state;
    }

    /// <summary>Adds a term at a place and returns the place after it.</summary>
    private GrammarState Body(GrammarState from, GrammarTerm term)
    {
        switch (term)
        {
            case GrammarTerm.Alternatives alternatives:
                GrammarState joined = NewState();
                foreach (GrammarTerm part in alternatives.Parts)
                {
                    GrammarState branch = NewState();
                    from.Empty.Add(branch);
                    Body(branch, part).Empty.Add(joined);
                }
                return joined;
            case GrammarTerm.Sequence sequence:
                return sequence.Parts.Aggregate(from, Body);
            case GrammarTerm.Repeat repeat:
                return Repeat(from, repeat);
            case GrammarTerm.Reference { Name: string name } reference when !GrammarDefinition.IsTerminalName(name):
                GrammarState after = NewState();
                from.Calls.Add((RuleOf(definitions.GetValueOrDefault(name)
                    ?? throw new ConstraintException("grammar", reference.Place, $"{name} is not defined.")), after));
                return after;
            case GrammarTerm.Schema schema:
                from = Ignore(from);
                GrammarState afterSchema = NewState();
                from.Calls.Add((SchemaOf(schema), afterSchema));
                return afterSchema;
            default:
                return Terminal(Ignore(from), term);
        }
    }

    private GrammarState Terminal(GrammarState from, GrammarTerm term)
    {
        (Automaton? automaton, bool isNullable) = terminals.Compile(term);
        GrammarState to = NewState();
        if (automaton is not null)
        {
            from.Terminals.Add((automaton, to));
        }
        if (isNullable)
        {
            from.Empty.Add(to);
        }
        return to;
    }

    private GrammarState Repeat(GrammarState from, GrammarTerm.Repeat repeat)
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

    /// <summary>The place after any number of ignored terminals.</summary>
    private GrammarState Ignore(GrammarState from)
    {
        if (ignored.Count == 0)
        {
            return from;
        }
        GrammarState loop = NewState();
        from.Empty.Add(loop);
        ignored.ForEach(automaton => loop.Terminals.Add((automaton, loop)));
        return loop;
    }

    private GrammarRule SchemaOf(GrammarTerm.Schema schema)
    {
        try
        {
            using System.Text.Json.JsonDocument document = System.Text.Json.JsonDocument.Parse(
                schema.Json, new System.Text.Json.JsonDocumentOptions { MaxDepth = budget.Limits.MaxDepth });
            SchemaProgram program = new(document.RootElement.Clone(), library, budget);
            return new GrammarRule { Parsed = new JsonGrammar(program, JsonDialect.Json, freeSpace: false).Root(), IsProductive = true };
        }
        catch (System.Text.Json.JsonException error)
        {
            throw new ConstraintException("grammar", schema.Place, $"the schema is not JSON: {error.Message}");
        }
        catch (ConstraintException error) when (error.Keyword != "grammar")
        {
            throw new ConstraintException(error.Keyword, $"{schema.Place}, {error.Place}", error.Reason);
        }
    }
}
