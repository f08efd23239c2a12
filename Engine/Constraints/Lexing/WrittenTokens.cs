namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// What the tokens do in a quoted form from one state of its reader, as a trie of code points in depth-first order, whatever bytes write
/// them; tokens that are nothing but text stand apart in <see cref="PlainTokens"/>. Immutable.
/// </summary>
internal sealed class WrittenTokens
{
    private const int Closes = -1;

    // A token that ends within a code point: −2 and below, by what may become of it.
    private const int FirstOpen = -2;

    private readonly PlainTokens? _plain;
    private readonly Node[] _nodes;
    private readonly int[] _whole;
    private readonly (int Low, int High)[][] _open;
    private readonly Slice.Rest[][] _groups;
    private readonly Dictionary<string, Slice.Rest[]> _groupByPrefix = new(StringComparer.Ordinal);
    private readonly SuffixTrie _rests;
    private readonly int _longest;
    private readonly int _longestPrefix;

    private WrittenTokens(VocabularyTrie vocabulary, TextForm form, byte? quote, int reader, PlainTokens? plain)
    {
        _plain = plain;
        Reader = quote is null ? reader : TextDecoder.Start(form);
        List<Node> found = [];
        List<(string Prefix, byte[] Tail, int Token, int Group)> closing = [];
        List<(int, int)[]> pending = [];
        List<int> ended = [];
        List<(int Code, int End)> events = [];
        byte[] previous = [];
        List<(int Code, int End)> previousEvents = [];
        int groupCount = 0;
        foreach (int id in vocabulary.Sorted)
        {
            byte[] bytes = vocabulary.Tokenizer.BytesOf(id).ToArray();
            if ((quote is byte first && bytes[0] != first) || !TryRead(form, bytes, quote is null ? 0 : 1, reader, events, pending, out bool isPlain)
                || (isPlain && plain is not null))
            {
                continue;
            }
            // As many events are shared as lie within the bytes that are.
            int shared = bytes.AsSpan().CommonPrefixLength(previous);
            int depth = 0;
            while (depth < events.Count && depth < previousEvents.Count && events[depth].End <= shared
                && previousEvents[depth] == events[depth] && events[depth].Code > FirstOpen)
            {
                depth++;
            }
            for (; depth < events.Count; depth++)
            {
                int token = events[depth].Code == Closes ? groupCount++ : -1;
                found.Add(new Node(events[depth].Code, (ushort)(depth + 1), 0, token));
            }
            _longest = Math.Max(_longest, events.Count);
            if (events.Count == 0)
            {
                ended.Add(id);
            }
            else if (events[^1] is (Closes, int end))
            {
                closing.Add((Latin(bytes.AsSpan(0, end)), bytes[end..], id, groupCount - 1));
            }
            else
            {
                found[^1] = found[^1] with { Token = id };
            }
            previous = bytes;
            (previousEvents, events) = (events, previousEvents);
        }
        _whole = [.. ended];
        _open = [.. pending];
        _nodes = Link(found);
        byte[][] distinct = [.. closing.Select(entry => entry.Tail).Where(rest => rest.Length > 0).DistinctBy(Latin).Order(ByteOrder)];
        _rests = SuffixTrie.Of(distinct, out int[] ends);
        Dictionary<string, int> endOf = distinct.Select((rest, i) => (Latin(rest), ends[i])).ToDictionary(pair => pair.Item1, pair => pair.Item2);
        _groups = new Slice.Rest[groupCount][];
        foreach (IGrouping<int, (string Prefix, byte[] Tail, int Token, int Group)> group in closing.GroupBy(entry => entry.Group))
        {
            _groups[group.Key] = [.. group.Select(entry => new Slice.Rest(entry.Tail.Length == 0 ? -1 : endOf[Latin(entry.Tail)], entry.Token))];
            _groupByPrefix.Add(group.First().Prefix, _groups[group.Key]);
            _longestPrefix = Math.Max(_longestPrefix, group.First().Prefix.Length);
        }
    }

    private static Comparer<byte[]> ByteOrder { get; } = Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b));

    /// <summary>The state of the reader before the tokens.</summary>
    public int Reader { get; }

    /// <summary>The tokens of a form: inside a text and before its quote; none for texts as they are.</summary>
    public static WrittenTokens[] Of(VocabularyTrie vocabulary, TextForm form)
    {
        List<WrittenTokens> all = [];
        foreach (byte quote in form switch { TextForm.Raw => [], TextForm.Python => "'\""u8, _ => "\""u8 })
        {
            int content = TextDecoder.Step(form, TextDecoder.Start(form), quote, out _);
            all.Add(new WrittenTokens(vocabulary, form, null, content, vocabulary.Plain(quote == '"')));
            all.Add(new WrittenTokens(vocabulary, form, quote, content, null));
        }
        return [.. all];
    }

    /// <summary>Finds the tokens that a text may go on with.</summary>
    /// <param name="bounded">The texts.</param>
    /// <param name="state">The automaton's state before the tokens.</param>
    /// <param name="count">Code points read before them.</param>
    /// <param name="found">Receives those that stay inside the text, as bits.</param>
    /// <param name="closings">Receives those that close it.</param>
    public void Walk(BoundedTexts bounded, int state, int count, Span<ulong> found, List<Slice.Closing> closings)
    {
        _plain?.Walk(bounded, state, count, found);
        foreach (int token in _whole)
        {
            found[token >> 6] |= 1UL << (token & 63);
        }
        SortedDictionary<int, List<Slice.Rest[]>> closed = [];
        Span<int> path = _longest < SliceBuilder.MaxOnStack ? stackalloc int[_longest + 1] : new int[_longest + 1];
        path[0] = state;
        for (int i = 0; i < _nodes.Length;)
        {
            ref readonly Node node = ref _nodes[i];
            int depth = node.Depth - 1;
            int at = path[depth];
            if (node.Code == Closes)
            {
                if (bounded.Accepts(at, count + depth))
                {
                    Slice.Add(closed, bounded.Dfa.Tags[at], _groups[node.Token]);
                }
            }
            else if (node.Code <= FirstOpen)
            {
                if (bounded.AnyLive(at, count + depth, _open[FirstOpen - node.Code]))
                {
                    found[node.Token >> 6] |= 1UL << (node.Token & 63);
                }
            }
            else
            {
                int next = bounded.Dfa.Next(at, node.Code);
                if (next == Dfa.Dead || !bounded.Live(next, count + depth + 1))
                {
                    i = node.End;
                    continue;
                }
                path[depth + 1] = next;
                if (node.Token >= 0)
                {
                    found[node.Token >> 6] |= 1UL << (node.Token & 63);
                }
            }
            i++;
        }
        closings.AddRange(closed.Select(entry => new Slice.Closing(entry.Key, _rests, [.. entry.Value])));
    }

    /// <summary>The tokens that begin with some bytes that close the text; null if there are none.</summary>
    public Slice.Rest[]? Closing(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > _longestPrefix)
        {
            return null;
        }
        Span<char> prefix = stackalloc char[bytes.Length];
        System.Text.Encoding.Latin1.GetChars(bytes, prefix);
        return _groupByPrefix.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(prefix, out Slice.Rest[]? group) ? group : null;
    }

    private static string Latin(ReadOnlySpan<byte> bytes) => System.Text.Encoding.Latin1.GetString(bytes);

    private static string Latin(byte[] bytes) => Latin(bytes.AsSpan());

    // The code points of a token, then perhaps the closing quote or the beginning of a code point.
    private static bool TryRead(
        TextForm form, byte[] bytes, int from, int reader, List<(int Code, int End)> events, List<(int, int)[]> pending, out bool isPlain)
    {
        events.Clear();
        isPlain = true;
        for (int i = from; i < bytes.Length; i++)
        {
            reader = TextDecoder.Step(form, reader, bytes[i], out int codePoint);
            isPlain &= bytes[i] != '\\';
            if (reader == TextDecoder.Dead)
            {
                return false;
            }
            if (reader == TextDecoder.Closed)
            {
                events.Add((Closes, i + 1));
                isPlain = false;
                return true;
            }
            if (codePoint >= 0)
            {
                events.Add((codePoint, i + 1));
            }
        }
        if (!TextDecoder.IsContent(reader))
        {
            events.Add((FirstOpen - pending.Count, bytes.Length));
            pending.Add([.. TextDecoder.Pending(form, reader)]);
            isPlain = false;
        }
        return true;
    }

    private static Node[] Link(List<Node> found)
    {
        Node[] linked = [.. found];
        Stack<int> deeper = new();
        for (int i = linked.Length - 1; i >= 0; i--)
        {
            while (deeper.TryPeek(out int child) && linked[child].Depth > linked[i].Depth)
            {
                deeper.Pop();
            }
            linked[i] = linked[i] with { End = deeper.TryPeek(out int after) ? after : linked.Length };
            deeper.Push(i);
        }
        return linked;
    }

    /// <param name="Code">The code point that leads here, or what ends the way.</param>
    /// <param name="Depth">Code points from the beginning, at least 1.</param>
    /// <param name="End">The node after its subtree.</param>
    /// <param name="Token">The token that ends here, or −1; where the text closes the group of tokens.</param>
    private readonly record struct Node(int Code, ushort Depth, int End, int Token);
}
