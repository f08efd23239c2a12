using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Regex;

/// <summary>Makes expressions, simplified so that derivatives stay few. Not thread-safe.</summary>
internal sealed class RegexAlgebra
{
    private readonly ConstraintBudget _budget;
    private readonly Dictionary<(RegexKind, CodePointSet?, int, int, int[]), RegexNode> _nodes = new(new KeyComparer());

    // The parts of rounds, by their numbers.
    private readonly List<RegexSyntax> _parts = [];

    /// <param name="budget">Bounds the expressions and the time.</param>
    public RegexAlgebra(ConstraintBudget budget)
    {
        _budget = budget;
        Nothing = Make(RegexKind.Nothing, []);
        Empty = Make(RegexKind.Empty, []);
        Begin = Make(RegexKind.Begin, []);
        End = Make(RegexKind.End, []);
        WordBoundary = Make(RegexKind.WordBoundary, []);
        NoWordBoundary = Make(RegexKind.NoWordBoundary, []);
        Anything = Loop(Set(CodePointSet.All), 0, RegexNode.Unbounded);
    }

    /// <summary>Refuses what has taken too much time or memory.</summary>
    public void CheckTime() => _budget.CheckTime();

    public RegexNode Nothing { get; }

    public RegexNode Empty { get; }

    public RegexNode Begin { get; }

    public RegexNode End { get; }

    public RegexNode WordBoundary { get; }

    public RegexNode NoWordBoundary { get; }

    /// <summary>Every text.</summary>
    public RegexNode Anything { get; }

    public RegexNode Set(CodePointSet set) => set.IsEmpty ? Nothing : Make(RegexKind.Set, [], set);

    public RegexNode Literal(string text)
    {
        RegexNode result = Empty;
        foreach (System.Text.Rune rune in text.EnumerateRunes().Reverse())
        {
            result = Concat(Set(CodePointSet.Of((rune.Value, rune.Value))), result);
        }
        return result;
    }

    public RegexNode Concat(RegexNode first, RegexNode second)
    {
        if (first == Nothing || second == Nothing)
        {
            return Nothing;
        }
        if (first == Empty)
        {
            return second;
        }
        if (second == Empty)
        {
            return first;
        }
        if (first.Kind != RegexKind.Concat)
        {
            return Join(first, second);
        }
        // A sequence is nested to the right, as deep as it is long.
        Stack<RegexNode> parts = new();
        for (; first.Kind == RegexKind.Concat; first = first.Children[1])
        {
            parts.Push(first.Children[0]);
        }
        RegexNode result = Join(first, second);
        while (parts.TryPop(out RegexNode? part))
        {
            result = Join(part, result);
        }
        return result;
    }

    private RegexNode Join(RegexNode first, RegexNode second) =>
        first == Anything && (second == Anything || (second.Kind == RegexKind.Concat && second.Children[0] == Anything))
            ? second
            : Make(RegexKind.Concat, [first, second]);

    public RegexNode Or(params IEnumerable<RegexNode> alternatives)
    {
        List<RegexNode> parts = [];
        CodePointSet singles = CodePointSet.None;
        foreach (RegexNode node in alternatives)
        {
            foreach (RegexNode part in node.Kind == RegexKind.Or ? node.Children : new ReadOnlySpan<RegexNode>(in node))
            {
                if (part == Anything)
                {
                    return Anything;
                }
                if (part.Kind == RegexKind.Set)
                {
                    singles = singles.IsEmpty ? part.Set : part.Set.Equals(singles) ? singles : singles.Union(part.Set);
                }
                else if (part != Nothing)
                {
                    parts.Add(part);
                }
            }
        }
        if (!singles.IsEmpty)
        {
            parts.Add(Set(singles));
        }
        return Distinct(parts, RegexKind.Or, Nothing);
    }

    public RegexNode And(params IEnumerable<RegexNode> parts)
    {
        List<RegexNode> all = [];
        foreach (RegexNode node in parts)
        {
            foreach (RegexNode part in node.Kind == RegexKind.And ? node.Children : new ReadOnlySpan<RegexNode>(in node))
            {
                if (part == Nothing)
                {
                    return Nothing;
                }
                if (part != Anything)
                {
                    all.Add(part);
                }
            }
        }
        return Distinct(all, RegexKind.And, Anything);
    }

    public RegexNode Not(RegexNode node) =>
        node.Kind == RegexKind.Not ? node.Children[0]
        : node == Anything ? Nothing
        : node == Nothing ? Anything
        : Make(RegexKind.Not, [node]);

    public RegexNode Loop(RegexNode node, int min, int max)
    {
        if (max == 0 || node == Empty || (node == Nothing && min == 0))
        {
            return Empty;
        }
        if (node == Nothing || (min == 1 && max == 1))
        {
            return node;
        }
        bool star = node.Kind == RegexKind.Loop && node.Min == 0 && node.Max == RegexNode.Unbounded;
        return star ? node : Make(RegexKind.Loop, [node], null, min, max);
    }

    /// <summary>Any number of rounds of a part that is never empty and holds no anchors of its own, then the rest of the text.</summary>
    public RegexNode Rounds(RegexSyntax part, RegexNode rest)
    {
        int number = _parts.FindIndex(known => ReferenceEquals(known, part));
        if (number < 0)
        {
            number = _parts.Count;
            _parts.Add(part);
        }
        return Rounds(number, rest);
    }

    /// <summary>The rounds of a node before another rest.</summary>
    public RegexNode Rounds(RegexNode rounds, RegexNode rest) => Rounds(rounds.Min, rest);

    private RegexNode Rounds(int number, RegexNode rest)
    {
        RegexNode node = Make(RegexKind.Rounds, [rest], null, number);
        node.Unrolled ??= Or(rest, _parts[number].Before(node, this));
        return node;
    }

    // In the order of their numbers, so that equal sets are one node.
    private RegexNode Distinct(List<RegexNode> parts, RegexKind kind, RegexNode none)
    {
        parts.Sort(static (a, b) => a.Id.CompareTo(b.Id));
        int kept = 0;
        for (int i = 0; i < parts.Count; i++)
        {
            if (kept == 0 || parts[kept - 1] != parts[i])
            {
                parts[kept++] = parts[i];
            }
        }
        parts.RemoveRange(kept, parts.Count - kept);
        return kept switch
        {
            0 => none,
            1 => parts[0],
            _ => Make(kind, [.. parts]),
        };
    }

    private RegexNode Make(RegexKind kind, RegexNode[] children, CodePointSet? set = null, int min = 0, int max = 0)
    {
        var key = (kind, set, min, max, Array.ConvertAll(children, child => child.Id));
        if (!_nodes.TryGetValue(key, out RegexNode? node))
        {
            _budget.CountExpression();
            bool assertions = kind >= RegexKind.Begin || children.Any(child => child.HasAssertions);
            node = new RegexNode(_nodes.Count, kind, children, set ?? CodePointSet.None, min, max, assertions, IsNullable(kind, children, min));
            _nodes.Add(key, node);
        }
        return node;
    }

    private static bool IsNullable(RegexKind kind, RegexNode[] children, int min) => kind switch
    {
        RegexKind.Empty => true,
        RegexKind.Concat or RegexKind.And => Array.TrueForAll(children, child => child.IsNullable),
        RegexKind.Or => Array.Exists(children, child => child.IsNullable),
        RegexKind.Not => !children[0].IsNullable,
        RegexKind.Rounds => children[0].IsNullable,
        RegexKind.Loop => min == 0 || children[0].IsNullable,
        _ => false,
    };

    private sealed class KeyComparer : IEqualityComparer<(RegexKind, CodePointSet?, int, int, int[])>
    {
        public bool Equals((RegexKind, CodePointSet?, int, int, int[]) x, (RegexKind, CodePointSet?, int, int, int[]) y) =>
            x.Item1 == y.Item1 && x.Item3 == y.Item3 && x.Item4 == y.Item4 && Equals(x.Item2, y.Item2)
            && x.Item5.AsSpan().SequenceEqual(y.Item5);

        public int GetHashCode((RegexKind, CodePointSet?, int, int, int[]) obj) =>
            HashCode.Combine(obj.Item1, obj.Item2, obj.Item3, obj.Item4, SequenceComparer.Instance.GetHashCode(obj.Item5));
    }
}
