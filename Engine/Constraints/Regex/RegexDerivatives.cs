using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Regex;

/// <summary>Turns expressions into automata by Brzozowski's derivatives.</summary>
internal sealed class RegexDerivatives
{
    private readonly RegexAlgebra _algebra;
    private readonly ConstraintBudget _budget;
    private readonly CodePointClasses _classes;
    private readonly bool _words;
    private readonly Dictionary<(int Node, int Class, Where Where), RegexNode> _derived = [];
    private readonly Dictionary<int, RegexNode> _afterBegin = [];

    private RegexDerivatives(RegexAlgebra algebra, RegexNode node, ConstraintBudget budget)
    {
        _algebra = algebra;
        _budget = budget;
        HashSet<CodePointSet> sets = [];
        HashSet<int> seen = [];
        Stack<RegexNode> pending = new([node]);
        while (pending.TryPop(out RegexNode? next))
        {
            if (seen.Add(next.Id))
            {
                sets.Add(next.Set);
                _words |= next.Kind is RegexKind.WordBoundary or RegexKind.NoWordBoundary;
                Array.ForEach(next.Children, pending.Push);
                if (next.Unrolled is { } unrolled)
                {
                    pending.Push(unrolled);
                }
            }
        }
        if (_words)
        {
            sets.Add(RegexClasses.Word);
        }
        _classes = CodePointClasses.Of(sets);
    }

    [Flags]
    private enum Where
    {
        Inside = 0,
        Start = 1,
        End = 2,
        AfterWord = 4,
        BeforeWord = 8,
    }

    public static Dfa Compile(RegexAlgebra algebra, RegexNode node, ConstraintBudget budget)
    {
        RegexDerivatives derivatives = new(algebra, node, budget);
        return Dfa.Build(
            derivatives._classes, (Node: node, Where.Start), derivatives.Step,
            state => derivatives.Accepts(state.Node, state.Item2 | Where.End) ? 0 : -1, budget);
    }

    private (bool, (RegexNode, Where)) Step((RegexNode Node, Where Where) state, int c)
    {
        bool word = _words && RegexClasses.Word.Contains(_classes.Representatives[c]);
        RegexNode next = Derive(state.Node, c, state.Where | (word ? Where.BeforeWord : 0));
        if ((state.Where & Where.Start) != 0)
        {
            next = WithoutBegin(next);
        }
        return (next != _algebra.Nothing, (next, word ? Where.AfterWord : Where.Inside));
    }

    private bool Accepts(RegexNode node, Where where)
    {
        if (!node.HasAssertions)
        {
            return node.IsNullable;
        }
        _budget.CheckStack();
        for (; node.Kind == RegexKind.Concat; node = node.Children[1])
        {
            if (!Accepts(node.Children[0], where))
            {
                return false;
            }
        }
        return node.Kind switch
        {
            RegexKind.And => node.Children.All(child => Accepts(child, where)),
            RegexKind.Or => node.Children.Any(child => Accepts(child, where)),
            RegexKind.Not => !Accepts(node.Children[0], where),
            RegexKind.Loop => node.Min == 0 || Accepts(node.Children[0], where),
            RegexKind.Rounds => Accepts(node.Children[0], where),
            RegexKind.Begin => (where & Where.Start) != 0,
            RegexKind.End => (where & Where.End) != 0,
            RegexKind.WordBoundary or RegexKind.NoWordBoundary =>
                (node.Kind == RegexKind.WordBoundary) == ((where & Where.AfterWord) != 0 != ((where & Where.BeforeWord) != 0)),
            _ => node.IsNullable,
        };
    }

    private RegexNode Derive(RegexNode node, int c, Where where)
    {
        switch (node.Kind)
        {
            case RegexKind.Set:
                return node.Set.Contains(_classes.Representatives[c]) ? _algebra.Empty : _algebra.Nothing;
            case RegexKind.Nothing or RegexKind.Empty or >= RegexKind.Begin:
                return _algebra.Nothing;
        }
        (int, int, Where) key = (node.Id, c, node.HasAssertions ? where : Where.Inside);
        if (_derived.TryGetValue(key, out RegexNode? known))
        {
            return known;
        }
        _budget.CheckTime();
        _budget.CheckStack();
        RegexNode first = node.Children[0];
        RegexNode result = node.Kind switch
        {
            RegexKind.Concat => DeriveSequence(node, c, where),
            RegexKind.Or => _algebra.Or(node.Children.Select(child => Derive(child, c, where))),
            RegexKind.And => _algebra.And(node.Children.Select(child => Derive(child, c, where))),
            RegexKind.Not => _algebra.Not(Derive(first, c, where)),
            RegexKind.Rounds => Derive(node.Unrolled!, c, where),
            _ => _algebra.Concat(
                Derive(first, c, where),
                _algebra.Loop(first, Math.Max(node.Min - 1, 0), node.Max == RegexNode.Unbounded ? node.Max : node.Max - 1)),
        };
        _derived.Add(key, result);
        return result;
    }

    // What begins with any of its parts up to the first that cannot be empty.
    private RegexNode DeriveSequence(RegexNode node, int c, Where where)
    {
        List<RegexNode> ways = [];
        for (; node.Kind == RegexKind.Concat; node = node.Children[1])
        {
            ways.Add(_algebra.Concat(Derive(node.Children[0], c, where), node.Children[1]));
            if (!Accepts(node.Children[0], where))
            {
                return _algebra.Or(ways);
            }
        }
        ways.Add(Derive(node, c, where));
        return _algebra.Or(ways);
    }

    // Past the start the beginning of the text never comes again.
    private RegexNode WithoutBegin(RegexNode node)
    {
        if (!node.HasAssertions)
        {
            return node;
        }
        if (_afterBegin.TryGetValue(node.Id, out RegexNode? known))
        {
            return known;
        }
        _budget.CheckStack();
        Stack<RegexNode> sequence = new();
        for (RegexNode part = node; part.Kind == RegexKind.Concat; part = part.Children[1])
        {
            sequence.Push(part);
        }
        RegexNode[] children = sequence.Count > 0 ? [] : [.. node.Children.Select(WithoutBegin)];
        RegexNode result = node.Kind switch
        {
            RegexKind.Begin => _algebra.Nothing,
            RegexKind.Concat => sequence.Aggregate(
                WithoutBegin(sequence.Peek().Children[1]), (rest, part) => _algebra.Concat(WithoutBegin(part.Children[0]), rest)),
            RegexKind.Or => _algebra.Or(children),
            RegexKind.And => _algebra.And(children),
            RegexKind.Not => _algebra.Not(children[0]),
            RegexKind.Loop => _algebra.Loop(children[0], node.Min, node.Max),
            RegexKind.Rounds => _algebra.Rounds(node, children[0]),
            _ => node,
        };
        _afterBegin.Add(node.Id, result);
        return result;
    }
}
