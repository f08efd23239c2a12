namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>A finite set of byte strings, each with a tag.</summary>
internal sealed class LiteralAutomaton : Automaton
{
    // A state is a node.
    private readonly ByteTrie trie = new();
    private readonly StateSlices slices = new();

    public LiteralAutomaton(params IEnumerable<(byte[] Bytes, int Tag)> literals)
    {
        Dictionary<int, int> tags = [];
        foreach ((byte[] bytes, int tag) in literals)
        {
            tags[trie.Add(bytes)] = tag;
        }
        for (int node = 0; node < trie.Count; node++)
        {
            Add(tags.GetValueOrDefault(node, -1));
        }
    }

    public static LiteralAutomaton Of(string text) => new((System.Text.Encoding.UTF8.GetBytes(text), 0));

    // The trie knows as fast as a table.
    public override int Next(int state, byte value) => trie.Child(state, value);

    public override bool Continues(int state) => trie.HasChildren(state);

    public override Slice SliceOf(int state, VocabularyTrie vocabulary) => slices.GetOrAdd(state, () => Make(state, vocabulary));

    protected override int Step(int state, byte value) => Next(state, value);

    // Both tries side by side.
    private Slice Make(int start, VocabularyTrie vocabulary)
    {
        Span<ulong> found = SliceBuilder.NoTokens(vocabulary);
        SortedDictionary<int, List<int>> exits = [];
        Stack<(int State, int Node)> pending = new();
        foreach ((byte value, int child) in trie.Children(start))
        {
            pending.Push((child, vocabulary.First(value)));
        }
        while (pending.TryPop(out (int State, int Node) at))
        {
            if (at.Node < 0)
            {
                continue;
            }
            if (vocabulary.Tokens[at.Node] is int token and >= 0)
            {
                found[token >> 6] |= 1UL << (token & 63);
            }
            if (Tag(at.State) is int tag and >= 0 && vocabulary.Ends[at.Node] > at.Node + 1)
            {
                Slice.Add(exits, tag, at.Node);
            }
            foreach ((byte value, int child) in trie.Children(at.State))
            {
                pending.Push((child, vocabulary.Child(at.Node, value)));
            }
        }
        return Slice.Of(found, exits);
    }
}
