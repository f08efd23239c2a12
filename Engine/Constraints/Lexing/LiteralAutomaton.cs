namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>A finite set of byte strings, each with a tag; all of a trie or those with some tags. States are nodes of the trie.</summary>
internal sealed class LiteralAutomaton : Automaton
{
    // In the middle of a word few tokens go on, which are found again as fast as remembered; the states that come to it remember their mask.
    private const int SmallestKept = 256;

    private readonly ByteTrie _trie;
    private readonly StateSlices _slices = new();

    // Where not all tags count: those that do, and the nodes that lead to them, as bits.
    private readonly ulong[]? _wanted;
    private readonly ulong[]? _alive;

    public LiteralAutomaton(params IEnumerable<(byte[] Bytes, int Tag)> literals)
        : this(new ByteTrie(literals))
    {
    }

    /// <summary>All strings of a trie.</summary>
    public LiteralAutomaton(ByteTrie trie) => _trie = trie;

    /// <summary>The strings of a trie that have one of some tags.</summary>
    /// <param name="trie">The trie.</param>
    /// <param name="tags">The tags.</param>
    public LiteralAutomaton(ByteTrie trie, ReadOnlySpan<int> tags)
        : this(trie)
    {
        _wanted = new ulong[(tags.IsEmpty ? 0 : System.Numerics.Tensors.TensorPrimitives.Max(tags) >> 6) + 1];
        foreach (int tag in tags)
        {
            _wanted[tag >> 6] |= 1UL << (tag & 63);
        }
        ulong[] nodes = new ulong[(trie.Count + 63) / 64];
        // Children come after their parents.
        for (int node = trie.Count - 1; node >= 0; node--)
        {
            bool leads = Tag(node) >= 0;
            for (int child = trie.FirstChild(node); child >= 0 && !leads; child = trie.NextSibling(child))
            {
                leads = Has(nodes, child);
            }
            nodes[node >> 6] |= leads ? 1UL << (node & 63) : 0;
        }
        _alive = nodes;
    }

    public static LiteralAutomaton Of(string text) => new((System.Text.Encoding.UTF8.GetBytes(text), 0));

    public override int Next(int state, byte value)
    {
        int child = _trie.Child(state, value);
        return child >= 0 && IsAlive(child) ? child : Dead;
    }

    public override int Tag(int state)
    {
        int tag = _trie.Tag(state);
        return _wanted is null || (tag >= 0 && tag >> 6 < _wanted.Length && Has(_wanted, tag)) ? tag : -1;
    }

    public override bool Continues(int state)
    {
        int child = _trie.FirstChild(state);
        while (child >= 0 && !IsAlive(child))
        {
            child = _trie.NextSibling(child);
        }
        return child >= 0;
    }

    public override Slice SliceOf(int state, VocabularyTrie vocabulary)
    {
        if (_slices.Find(state) is { } known)
        {
            return known;
        }
        Slice slice = Make(state, vocabulary);
        return state == 0 || slice.Size >= SmallestKept ? _slices.Add(state, slice) : slice;
    }

    private bool IsAlive(int node) => _alive is null || Has(_alive, node);

    private static bool Has(ulong[] bits, int bit) => (bits[bit >> 6] >> (bit & 63) & 1) != 0;

    // Both tries side by side, down as long as there is a child, then on to siblings.
    private Slice Make(int start, VocabularyTrie vocabulary)
    {
        Span<ulong> found = SliceBuilder.NoTokens(vocabulary);
        SortedDictionary<int, List<int>> exits = [];
        int longest = vocabulary.MaxTokenBytes + 1;
        Span<(int State, int Node)> path = longest <= SliceBuilder.MaxOnStack ? stackalloc (int, int)[longest] : new (int, int)[longest];
        path[0] = (start, -1);
        int depth = 1;
        for (int state = _trie.FirstChild(start); depth > 0;)
        {
            if (state < 0)
            {
                depth--;
                state = depth > 0 ? _trie.NextSibling(path[depth].State) : -1;
                continue;
            }
            int node = !IsAlive(state) ? -1
                : depth == 1 ? vocabulary.First(_trie.Label(state)) : vocabulary.Child(path[depth - 1].Node, _trie.Label(state));
            if (node < 0)
            {
                state = _trie.NextSibling(state);
                continue;
            }
            if (vocabulary.Tokens[node] is int token and >= 0)
            {
                found[token >> 6] |= 1UL << (token & 63);
            }
            if (Tag(state) is int tag and >= 0 && vocabulary.Ends[node] > node + 1)
            {
                Slice.Add(exits, tag, node);
            }
            path[depth++] = (state, node);
            state = _trie.FirstChild(state);
        }
        return Slice.Of(found, exits, vocabulary.Sets);
    }
}
