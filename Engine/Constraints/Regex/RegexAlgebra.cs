using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Regex;

/// <summary>Makes expressions, simplified so that derivatives stay few. Not thread-safe.</summary>
internal sealed class RegexAlgebra
{
    private readonly Dictionary<(RegexKind, CodePointSet?, int, int, int[]), RegexNode> nodes = new(new KeyComparer());

    public RegexAlgebra()
    {
        Nothing = Make(RegexKind.Nothing, []);
        Empty = Make(RegexKind.Empty, []);
        Begin = Make(RegexKind.Begin, []);
        End = Make(RegexKind.End, []);
        WordBoundary = Make(RegexKind.WordBoundary, []);
        NoWordBoundary = Make(RegexKind.NoWordBoundary, []);
        Anything = Loop(Set(CodePointSet.All), 0, RegexNode.Unbounded);
    }

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
        if (first.Kind == RegexKind.Concat)
        {
            return Concat(first.Children[0], Concat(first.Children[1], second));
        }
        return first == Anything && (second == Anything || (second.Kind == RegexKind.Concat && second.Children[0] == Anything))
            ? second
            : Make(RegexKind.Concat, [first, second]);
    }

    public RegexNode Or(params IEnumerable<RegexNode> alternatives)
    {
        SortedDictionary<int, RegexNode> distinct = [];
        CodePointSet singles = CodePointSet.None;
        foreach (RegexNode node in Flat(alternatives, RegexKind.Or))
        {
            if (node == Anything)
            {
                return Anything;
            }
            if (node.Kind == RegexKind.Set)
            {
                singles = singles.IsEmpty ? node.Set : singles.Union(node.Set);
            }
            else if (node != Nothing)
            {
                distinct[node.Id] = node;
            }
        }
        if (!singles.IsEmpty)
        {
            RegexNode single = Set(singles);
            distinct[single.Id] = single;
        }
        return distinct.Count switch
        {
            0 => Nothing,
            1 => distinct.Values.First(),
            _ => Make(RegexKind.Or, [.. distinct.Values]),
        };
    }

    public RegexNode And(params IEnumerable<RegexNode> parts)
    {
        SortedDictionary<int, RegexNode> distinct = [];
        foreach (RegexNode node in Flat(parts, RegexKind.And))
        {
            if (node == Nothing)
            {
                return Nothing;
            }
            if (node != Anything)
            {
                distinct[node.Id] = node;
            }
        }
        return distinct.Count switch
        {
            0 => Anything,
            1 => distinct.Values.First(),
            _ => Make(RegexKind.And, [.. distinct.Values]),
        };
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

    private static IEnumerable<RegexNode> Flat(IEnumerable<RegexNode> nodes, RegexKind kind) =>
        nodes.SelectMany(node => node.Kind == kind ? node.Children : [node]);

    private RegexNode Make(RegexKind kind, RegexNode[] children, CodePointSet? set = null, int min = 0, int max = 0)
    {
        var key = (kind, set, min, max, Array.ConvertAll(children, child => child.Id));
        if (!nodes.TryGetValue(key, out RegexNode? node))
        {
            bool assertions = kind >= RegexKind.Begin || children.Any(child => child.HasAssertions);
            node = new RegexNode(nodes.Count, kind, children, set ?? CodePointSet.None, min, max, assertions);
            nodes.Add(key, node);
        }
        return node;
    }

    private sealed class KeyComparer : IEqualityComparer<(RegexKind, CodePointSet?, int, int, int[])>
    {
        public bool Equals((RegexKind, CodePointSet?, int, int, int[]) x, (RegexKind, CodePointSet?, int, int, int[]) y) =>
            x.Item1 == y.Item1 && x.Item3 == y.Item3 && x.Item4 == y.Item4 && Equals(x.Item2, y.Item2)
            && x.Item5.AsSpan().SequenceEqual(y.Item5);

        public int GetHashCode((RegexKind, CodePointSet?, int, int, int[]) obj) =>
            HashCode.Combine(obj.Item1, obj.Item2, obj.Item3, obj.Item4, SequenceComparer.Instance.GetHashCode(obj.Item5));
    }
}
