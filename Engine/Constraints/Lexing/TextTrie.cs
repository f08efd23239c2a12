using System.Numerics.Tensors;

namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// Texts of tokens as a trie in depth-first order, either of their code points or only of the kinds of these
/// (<see cref="CodePointKinds"/>), so that a walk meets all words of five small letters at once. Immutable.
/// </summary>
internal sealed class TextTrie
{
    // So many tokens are faster added as bits than one by one.
    private const int DenseFrom = 2048;

    private readonly TokenTexts _texts;
    private readonly bool _byKind;
    private readonly int[] _tokens;

    // The kinds that each token consists of.
    private readonly ulong[] _kinds;

    // One more at the end, so that every range of tokens has an end.
    private readonly Node[] _nodes;
    private readonly Dictionary<(int From, int To), ulong[]> _dense = [];

    private TextTrie(TokenTexts texts, bool byKind, int[] tokens, List<(int Label, int Depth, int First)> found)
    {
        _texts = texts;
        _byKind = byKind;
        _tokens = tokens;
        _kinds = [.. tokens.Select(token => KindsOf(texts[token]))];
        _nodes = Link(found);
        for (int i = 0; i + 1 < _nodes.Length; i++)
        {
            KeepBits(_nodes[i].First, _nodes[i + 1].First);
            KeepBits(_nodes[i].First, _nodes[_nodes[i].End].First);
        }
    }

    /// <summary>By code points.</summary>
    /// <param name="texts">What tokens say.</param>
    /// <param name="tokens">The tokens, ascending by their texts, none empty.</param>
    public static TextTrie OfCodePoints(TokenTexts texts, int[] tokens)
    {
        List<(int, int, int)> found = [(0, 0, 0)];
        ReadOnlySpan<int> previous = [];
        for (int i = 0; i < tokens.Length; i++)
        {
            ReadOnlySpan<int> text = texts[tokens[i]];
            for (int depth = text.CommonPrefixLength(previous); depth < text.Length; depth++)
            {
                found.Add((text[depth], depth + 1, i));
            }
            previous = text;
        }
        return new TextTrie(texts, false, tokens, found);
    }

    /// <summary>By kinds.</summary>
    /// <param name="texts">What tokens say.</param>
    /// <param name="some">The tokens, none empty.</param>
    public static TextTrie OfKinds(TokenTexts texts, ReadOnlySpan<int> some)
    {
        int[] tokens = some.ToArray();
        List<(int, int, int)> found = [];
        int[] spare = new int[tokens.Length];
        Span<int> counts = stackalloc int[CodePointKinds.Count + 2];
        Stack<(int From, int To, int Kind, int Depth)> pending = new([(0, tokens.Length, 0, 0)]);
        while (pending.TryPop(out (int From, int To, int Kind, int Depth) at))
        {
            found.Add((at.Kind, at.Depth, at.From));
            // Sorted by the next kind, those that end here first.
            counts.Clear();
            for (int i = at.From; i < at.To; i++)
            {
                counts[KindAt(texts[tokens[i]], at.Depth) + 2]++;
            }
            for (int kind = 1; kind < counts.Length; kind++)
            {
                counts[kind] += counts[kind - 1];
            }
            for (int i = at.From; i < at.To; i++)
            {
                spare[at.From + counts[KindAt(texts[tokens[i]], at.Depth) + 1]++] = tokens[i];
            }
            spare.AsSpan(at.From, at.To - at.From).CopyTo(tokens.AsSpan(at.From));
            for (int kind = CodePointKinds.Count - 1; kind >= 0; kind--)
            {
                if (counts[kind + 1] > counts[kind])
                {
                    pending.Push((at.From + counts[kind], at.From + counts[kind + 1], kind, at.Depth + 1));
                }
            }
        }
        return new TextTrie(texts, true, tokens, found);
    }

    /// <summary>Adds the tokens that a text may go on with.</summary>
    /// <param name="bounded">The texts.</param>
    /// <param name="state">The automaton's state before the tokens.</param>
    /// <param name="count">Code points read before them.</param>
    /// <param name="found">The tokens as bits.</param>
    public void Walk(BoundedTexts bounded, int state, int count, Span<ulong> found)
    {
        Dfa dfa = bounded.Dfa;
        bool free = bounded.IsFree(count);
        Span<int> path = _texts.Longest < SliceBuilder.MaxOnStack ? stackalloc int[_texts.Longest + 1] : new int[_texts.Longest + 1];
        path[0] = state;
        for (int i = 1; i < _nodes.Length - 1;)
        {
            ref readonly Node node = ref _nodes[i];
            int depth = node.Depth;
            int before = path[depth - 1];
            if (((node.Kinds & ~dfa.Open(before)) == 0 || node.Height + 1 < dfa.ToDead(before)) && bounded.IsFar(count + depth + node.Height))
            {
                Add(node.First, _nodes[node.End].First, found);
                i = node.End;
                continue;
            }
            int next = _byKind ? dfa.NextByKind(before, node.Label) : dfa.Next(before, node.Label, node.Kind);
            if (next == Dfa.Mixed)
            {
                AddEach(bounded, before, count, depth - 1, node.First, _nodes[node.End].First, found);
                i = node.End;
            }
            else if (next == Dfa.Dead || (!free && !bounded.Live(next, count + depth)))
            {
                i = node.End;
            }
            else
            {
                path[depth] = next;
                Add(node.First, _nodes[i + 1].First, found);
                i++;
            }
        }
    }

    private static int KindAt(ReadOnlySpan<int> text, int depth) => depth < text.Length ? CodePointKinds.Of(text[depth]) : -1;

    private static ulong KindsOf(ReadOnlySpan<int> text)
    {
        ulong kinds = 0;
        foreach (int point in text)
        {
            kinds |= CodePointKinds.Bit(CodePointKinds.Of(point));
        }
        return kinds;
    }

    private void Add(int from, int to, Span<ulong> found)
    {
        if (to - from >= DenseFrom && _dense.TryGetValue((from, to), out ulong[]? bits))
        {
            TensorPrimitives.BitwiseOr(found, bits, found);
            return;
        }
        foreach (int token in _tokens.AsSpan(from, to - from))
        {
            found[token >> 6] |= 1UL << (token & 63);
        }
    }

    // The automaton tells the code points of a kind apart.
    private void AddEach(BoundedTexts bounded, int state, int count, int depth, int from, int to, Span<ulong> found)
    {
        ulong open = bounded.Dfa.Open(state);
        int toDead = bounded.Dfa.ToDead(state);
        for (int i = from; i < to; i++)
        {
            ReadOnlySpan<int> text = _texts[_tokens[i]][depth..];
            if (((_kinds[i] & ~open) == 0 || text.Length < toDead) && bounded.IsFar(count + depth + text.Length))
            {
                found[_tokens[i] >> 6] |= 1UL << (_tokens[i] & 63);
                continue;
            }
            int at = state;
            for (int j = 0; j < text.Length && at != Dfa.Dead; j++)
            {
                at = bounded.Dfa.Next(at, text[j]);
            }
            if (at != Dfa.Dead && bounded.Live(at, count + depth + text.Length))
            {
                found[_tokens[i] >> 6] |= 1UL << (_tokens[i] & 63);
            }
        }
    }

    private Node[] Link(List<(int Label, int Depth, int First)> found)
    {
        Node[] linked = new Node[found.Count + 1];
        linked[^1] = new Node(0, 0, 0, 0, found.Count, _tokens.Length, 0);
        Stack<int> deeper = new();
        for (int i = found.Count - 1; i >= 0; i--)
        {
            (int label, int depth, int first) = found[i];
            int kind = _byKind ? label : CodePointKinds.Of(label);
            ulong all = depth == 0 ? 0 : CodePointKinds.Bit(kind);
            int height = 0;
            while (deeper.TryPeek(out int child) && linked[child].Depth > depth)
            {
                deeper.Pop();
                all |= linked[child].Kinds;
                height = Math.Max(height, linked[child].Height + 1);
            }
            int end = deeper.TryPeek(out int after) ? after : found.Count;
            linked[i] = new Node(label, (byte)kind, (ushort)depth, (ushort)height, end, first, all);
            deeper.Push(i);
        }
        return linked;
    }

    private void KeepBits(int from, int to)
    {
        if (to - from >= DenseFrom && !_dense.ContainsKey((from, to)))
        {
            ulong[] bits = new ulong[_texts.Words];
            Add(from, to, bits);
            _dense.Add((from, to), bits);
        }
    }

    /// <param name="Label">The code point or the kind that leads here.</param>
    /// <param name="Kind">The kind.</param>
    /// <param name="Depth">Labels from the root, whose depth is 0.</param>
    /// <param name="Height">Levels below it.</param>
    /// <param name="End">The node after its subtree.</param>
    /// <param name="First">Its first token; up to the next node's first they end here.</param>
    /// <param name="Kinds">The kinds that lead here and below.</param>
    private readonly record struct Node(int Label, byte Kind, ushort Depth, ushort Height, int End, int First, ulong Kinds);
}
