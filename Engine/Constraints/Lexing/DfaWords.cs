namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>Automata of finite sets of texts.</summary>
internal static class DfaWords
{
    public static Dfa Of(IReadOnlyCollection<string> words, ConstraintBudget budget)
    {
        int[] points = [.. words.SelectMany(word => word.EnumerateRunes()).Select(rune => rune.Value).Distinct()];
        CodePointClasses classes = CodePointClasses.Of([.. points.Select(point => CodePointSet.Of((point, point)))]);
        List<Dictionary<int, int>> children = [[]];
        HashSet<int> whole = [];
        foreach (string word in words)
        {
            int node = 0;
            foreach (System.Text.Rune rune in word.EnumerateRunes())
            {
                int c = classes[rune.Value];
                if (!children[node].TryGetValue(c, out int next))
                {
                    next = children.Count;
                    children[node].Add(c, next);
                    children.Add([]);
                }
                node = next;
            }
            whole.Add(node);
        }
        return Dfa.Build(
            classes, 0, (node, c) => (children[node].TryGetValue(c, out int next), next), node => whole.Contains(node) ? 0 : -1, budget);
    }

    /// <summary>The texts of an automaton with their tags, if there are at most so many; else null.</summary>
    public static List<(string Word, int Tag)>? TryList(Dfa dfa, int most)
    {
        List<(string, int)> words = [];
        Stack<(int State, string Read)> pending = new();
        if (!dfa.IsEmpty)
        {
            pending.Push((0, string.Empty));
        }
        while (pending.TryPop(out (int State, string Read) at))
        {
            // Every state leads to acceptance, so that a way longer than the states are many passes a loop.
            if (at.Read.Length > 2 * dfa.StateCount || pending.Count > most)
            {
                return null;
            }
            if (dfa.Tags[at.State] >= 0)
            {
                words.Add((at.Read, dfa.Tags[at.State]));
                if (words.Count > most)
                {
                    return null;
                }
            }
            for (int run = 0; run < dfa.Classes.RunStarts.Length; run++)
            {
                int next = dfa.NextByClass(at.State, dfa.Classes.RunClasses[run]);
                if (next == Dfa.Dead)
                {
                    continue;
                }
                int first = dfa.Classes.RunStarts[run];
                int last = run + 1 < dfa.Classes.RunStarts.Length ? dfa.Classes.RunStarts[run + 1] - 1 : CodePointSet.Last;
                if (last - first >= most)
                {
                    return null;
                }
                for (int point = first; point <= last; point++)
                {
                    pending.Push((next, at.Read + char.ConvertFromUtf32(point)));
                }
            }
        }
        return words;
    }
}
