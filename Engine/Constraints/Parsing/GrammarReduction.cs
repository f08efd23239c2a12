namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>
/// Finds which rules may be empty, which have texts at all and which begin with themselves, and takes out ways that lead to no text,
/// so that every way on can be completed.
/// </summary>
internal sealed class GrammarReduction(IReadOnlyList<GrammarRule> rules, IReadOnlyList<GrammarState> states, ConstraintBudget budget)
{
    public void Apply()
    {
        HashSet<GrammarState> nullable = Closed((state, known) => state.IsFinal
            || state.Empty.Exists(known.Contains)
            || state.Calls.Exists(call => call.Rule.IsNullable && known.Contains(call.Target)),
            rule => rule.IsNullable = true);
        HashSet<GrammarState> productive = Closed((state, known) => state.IsFinal
            || state.Empty.Exists(known.Contains)
            || state.Terminals.Exists(terminal => known.Contains(terminal.Target))
            || state.Calls.Exists(call => call.Rule.IsProductive && known.Contains(call.Target)),
            rule => rule.IsProductive = true);
        foreach (GrammarState state in states)
        {
            state.Empty.RemoveAll(next => !productive.Contains(next));
            state.Terminals.RemoveAll(terminal => !productive.Contains(terminal.Target));
            state.Calls.RemoveAll(call => !call.Rule.IsProductive || !productive.Contains(call.Target));
        }
        FindLeftCycles();
    }

    /// <summary>The least set of states that a condition closes; a rule whose start is in it is told so.</summary>
    private HashSet<GrammarState> Closed(Func<GrammarState, HashSet<GrammarState>, bool> holds, Action<GrammarRule> tell)
    {
        // Whoever may come to hold when a state does, and when a rule does.
        Dictionary<GrammarState, List<GrammarState>> users = [];
        Dictionary<GrammarRule, List<GrammarState>> callers = [];
        foreach (GrammarState state in states)
        {
            state.Empty.ForEach(next => Add(users, next, state));
            state.Terminals.ForEach(terminal => Add(users, terminal.Target, state));
            state.Calls.ForEach(call => Add(users, call.Target, state));
            state.Calls.ForEach(call => Add(callers, call.Rule, state));
        }
        ILookup<GrammarState?, GrammarRule> starts = rules.ToLookup(rule => rule.Start);
        HashSet<GrammarState> known = [];
        Stack<GrammarState> pending = new(states);
        while (pending.TryPop(out GrammarState? state))
        {
            budget.CountAlternatives(0);
            if (known.Contains(state) || !holds(state, known))
            {
                continue;
            }
            known.Add(state);
            users.GetValueOrDefault(state)?.ForEach(pending.Push);
            foreach (GrammarRule rule in starts[state])
            {
                tell(rule);
                callers.GetValueOrDefault(rule)?.ForEach(pending.Push);
            }
        }
        return known;
    }

    private static void Add<TKey>(Dictionary<TKey, List<GrammarState>> lists, TKey key, GrammarState state)
        where TKey : notnull
    {
        if (!lists.TryGetValue(key, out List<GrammarState>? list))
        {
            lists.Add(key, list = []);
        }
        list.Add(state);
    }

    private void FindLeftCycles()
    {
        Dictionary<GrammarRule, GrammarRule[]> first = rules.ToDictionary(
            rule => rule,
            rule => GrammarNode.FirstCalls(rule).Where(called => called.Start is not null).Distinct().ToArray());
        foreach (HashSet<GrammarRule> component in Components(first))
        {
            if (component.Count > 1 || first[component.First()].Contains(component.First()))
            {
                foreach (GrammarRule rule in component)
                {
                    rule.LeftCycle = component;
                }
            }
        }
    }

    /// <summary>Strongly connected components (Tarjan's algorithm with an explicit stack).</summary>
    private static List<HashSet<GrammarRule>> Components(Dictionary<GrammarRule, GrammarRule[]> edges)
    {
        Dictionary<GrammarRule, (int Index, int Low)> seen = [];
        Stack<GrammarRule> path = new();
        HashSet<GrammarRule> onPath = [];
        List<HashSet<GrammarRule>> components = [];
        foreach (GrammarRule root in edges.Keys)
        {
            Stack<(GrammarRule Rule, int Next)> work = new();
            if (!seen.ContainsKey(root))
            {
                Enter(root);
            }
            while (work.TryPop(out (GrammarRule Rule, int Next) at))
            {
                (int index, int low) = seen[at.Rule];
                if (at.Next > 0 && seen[edges[at.Rule][at.Next - 1]] is (_, int below) && onPath.Contains(edges[at.Rule][at.Next - 1]))
                {
                    seen[at.Rule] = (index, low = Math.Min(low, below));
                }
                if (at.Next < edges[at.Rule].Length)
                {
                    work.Push((at.Rule, at.Next + 1));
                    if (!seen.ContainsKey(edges[at.Rule][at.Next]))
                    {
                        Enter(edges[at.Rule][at.Next]);
                    }
                }
                else if (low == index)
                {
                    HashSet<GrammarRule> component = [];
                    GrammarRule member;
                    do
                    {
                        member = path.Pop();
                        onPath.Remove(member);
                        component.Add(member);
                    }
                    while (member != at.Rule);
                    components.Add(component);
                }
            }

            void Enter(GrammarRule rule)
            {
                seen.Add(rule, (seen.Count, seen.Count));
                path.Push(rule);
                onPath.Add(rule);
                work.Push((rule, 0));
            }
        }
        return components;
    }
}
