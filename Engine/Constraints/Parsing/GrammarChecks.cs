namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>Refuses grammars with missing rules, with rules that never end, and with recursion on the left.</summary>
internal static class GrammarChecks
{
    public static void Check(Grammar grammar)
    {
        HashSet<string> productive = Solve(grammar, (expression, known) => IsProductive(expression, known));
        foreach ((string name, GrammarExpression body) in grammar.Rules)
        {
            foreach (string missing in References(body).Where(reference => !grammar.Rules.ContainsKey(reference)))
            {
                throw new ConstraintException("grammar", name, $"there is no rule {missing}.");
            }
        }
        if (!grammar.Rules.ContainsKey(grammar.Start))
        {
            throw new ConstraintException("grammar", string.Empty, $"there is no rule {grammar.Start}.");
        }
        foreach (string name in grammar.Rules.Keys.Where(name => !productive.Contains(name)))
        {
            throw new ConstraintException("grammar", name, "has no text: the rule never comes to an end.");
        }
        CheckLeft(grammar, Solve(grammar, IsNullable));
    }

    private static HashSet<string> Solve(Grammar grammar, Func<GrammarExpression, HashSet<string>, bool> holds)
    {
        HashSet<string> known = new(StringComparer.Ordinal);
        bool changed;
        do
        {
            changed = false;
            foreach ((string name, GrammarExpression body) in grammar.Rules)
            {
                changed |= !known.Contains(name) && holds(body, known) && known.Add(name);
            }
        }
        while (changed);
        return known;
    }

    private static bool IsProductive(GrammarExpression expression, HashSet<string> known) => expression switch
    {
        GrammarExpression.Reference reference => known.Contains(reference.Rule),
        GrammarExpression.Sequence sequence => sequence.Parts.All(part => IsProductive(part, known)),
        GrammarExpression.Choice choice => choice.Parts.Any(part => IsProductive(part, known)),
        GrammarExpression.Repeat repeat => repeat.Min == 0 || IsProductive(repeat.Part, known),
        GrammarExpression.Automaton texts => !texts.Texts.IsEmpty,
        GrammarExpression.Character character => !character.Set.IsEmpty,
        _ => true,
    };

    private static bool IsNullable(GrammarExpression expression, HashSet<string> known) => expression switch
    {
        GrammarExpression.Literal literal => literal.Text.Length == 0,
        GrammarExpression.Reference reference => known.Contains(reference.Rule),
        GrammarExpression.Sequence sequence => sequence.Parts.All(part => IsNullable(part, known)),
        GrammarExpression.Choice choice => choice.Parts.Any(part => IsNullable(part, known)),
        GrammarExpression.Repeat repeat => repeat.Min == 0 || IsNullable(repeat.Part, known),
        GrammarExpression.Automaton texts => !texts.Texts.IsEmpty && texts.Texts.Tags[0] >= 0,
        // Not known here; that it may be empty is the careful answer.
        GrammarExpression.Pattern => true,
        _ => false,
    };

    private static void CheckLeft(Grammar grammar, HashSet<string> nullable)
    {
        foreach (string start in grammar.Rules.Keys)
        {
            HashSet<string> seen = new(StringComparer.Ordinal);
            Stack<string> pending = new(Left(grammar.Rules[start], nullable));
            while (pending.TryPop(out string? name))
            {
                if (name == start)
                {
                    throw new ConstraintException("grammar", start, "begins with itself through other rules; write the repetition as a repeat.");
                }
                if (seen.Add(name))
                {
                    foreach (string next in Left(grammar.Rules[name], nullable))
                    {
                        pending.Push(next);
                    }
                }
            }
        }
    }

    // The rules that an expression may begin with.
    private static IEnumerable<string> Left(GrammarExpression expression, HashSet<string> nullable)
    {
        switch (expression)
        {
            case GrammarExpression.Reference reference:
                return [reference.Rule];
            case GrammarExpression.Choice choice:
                return choice.Parts.SelectMany(part => Left(part, nullable));
            case GrammarExpression.Repeat repeat:
                return Left(repeat.Part, nullable);
            case GrammarExpression.Sequence sequence:
                int reach = 0;
                while (reach < sequence.Parts.Count && IsNullable(sequence.Parts[reach], nullable))
                {
                    reach++;
                }
                return sequence.Parts.Take(reach + 1).SelectMany(part => Left(part, nullable));
            default:
                return [];
        }
    }

    private static IEnumerable<string> References(GrammarExpression expression) => expression switch
    {
        GrammarExpression.Reference reference => [reference.Rule],
        GrammarExpression.Choice choice => choice.Parts.SelectMany(References),
        GrammarExpression.Sequence sequence => sequence.Parts.SelectMany(References),
        GrammarExpression.Repeat repeat => References(repeat.Part),
        _ => [],
    };
}
