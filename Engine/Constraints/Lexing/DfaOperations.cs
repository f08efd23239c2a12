namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>Boolean operations on automata.</summary>
internal static class DfaOperations
{
    /// <summary>Every text.</summary>
    public static Dfa Universal { get; } = Dfa.Build(
        CodePointClasses.Of([CodePointSet.All]), 0, (state, _) => (true, state), _ => 0, ConstraintBudget.Unbounded());

    /// <summary>No text.</summary>
    public static Dfa Nothing { get; } = Dfa.Build(
        CodePointClasses.Of([CodePointSet.All]), 0, (state, _) => (false, state), _ => -1, ConstraintBudget.Unbounded());

    public static Dfa Intersect(Dfa left, Dfa right, ConstraintBudget budget) =>
        left.IsUniversal || right.IsEmpty ? right : right.IsUniversal || left.IsEmpty ? left
        : Combine(left, right, (l, r) => l && r, budget);

    public static Dfa Union(Dfa left, Dfa right, ConstraintBudget budget) =>
        left.IsEmpty || right.IsUniversal ? right : right.IsEmpty || left.IsUniversal ? left
        : Combine(left, right, (l, r) => l || r, budget);

    public static Dfa Except(Dfa left, Dfa right, ConstraintBudget budget) =>
        right.IsEmpty || left.IsEmpty ? left : Combine(left, right, (l, r) => l && !r, budget);

    public static Dfa Complement(Dfa automaton, ConstraintBudget budget) => Except(Universal, automaton, budget);

    // Where a part is dead it is so for ever: then the other one decides alone, or nothing is accepted any more.
    private static Dfa Combine(Dfa left, Dfa right, Func<bool, bool, bool> accepts, ConstraintBudget budget)
    {
        CodePointClasses classes = CodePointClasses.Refine([left.Classes, right.Classes]);
        int[] classOfLeft = Array.ConvertAll(classes.Representatives, point => left.Classes[point]);
        int[] classOfRight = Array.ConvertAll(classes.Representatives, point => right.Classes[point]);
        (bool alone, bool otherAlone) = (accepts(true, false), accepts(false, true));
        return Dfa.Build(
            classes,
            (Left: left.IsEmpty ? Dfa.Dead : 0, Right: right.IsEmpty ? Dfa.Dead : 0),
            ((int Left, int Right) at, int c) =>
            {
                int l = at.Left == Dfa.Dead ? Dfa.Dead : left.NextByClass(at.Left, classOfLeft[c]);
                int r = at.Right == Dfa.Dead ? Dfa.Dead : right.NextByClass(at.Right, classOfRight[c]);
                bool alive = l == Dfa.Dead ? r != Dfa.Dead && otherAlone : r != Dfa.Dead || alone;
                return (alive, (l, r));
            },
            at => accepts(at.Left != Dfa.Dead && left.Tags[at.Left] >= 0, at.Right != Dfa.Dead && right.Tags[at.Right] >= 0) ? 0 : -1,
            budget);
    }

    /// <summary>Runs automata side by side; what they say of a text together makes its tag.</summary>
    public static Dfa Combine(IReadOnlyList<Dfa> parts, Func<int[], int> tag, ConstraintBudget budget)
    {
        CodePointClasses classes = CodePointClasses.Refine([.. parts.Select(part => part.Classes)]);
        int[][] classOf = [.. parts.Select(part => classes.Representatives.Select(point => part.Classes[point]).ToArray())];
        int[] tags = new int[parts.Count];
        return Dfa.Build(
            classes,
            [.. parts.Select(part => part.IsEmpty ? Dfa.Dead : 0)],
            (int[] states, int c) =>
            {
                int[] next = new int[states.Length];
                bool alive = false;
                for (int i = 0; i < next.Length; i++)
                {
                    next[i] = states[i] == Dfa.Dead ? Dfa.Dead : parts[i].NextByClass(states[i], classOf[i][c]);
                    alive |= next[i] != Dfa.Dead;
                }
                // Where all parts are dead the tag is the same for ever, which one more state says.
                return (true, next);
            },
            states =>
            {
                for (int i = 0; i < tags.Length; i++)
                {
                    tags[i] = states[i] == Dfa.Dead ? -1 : parts[i].Tags[states[i]];
                }
                return tag(tags);
            },
            budget,
            SequenceComparer.Instance);
    }
}
