namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>A finite set of byte strings, each with a tag.</summary>
internal sealed class LiteralAutomaton : Automaton
{
    private readonly List<SortedList<byte, int>> children = [];
    private readonly StateSlices slices = new();

    public LiteralAutomaton(params IEnumerable<(byte[] Bytes, int Tag)> literals)
    {
        Dictionary<int, int> tags = [];
        children.Add([]);
        foreach ((byte[] bytes, int tag) in literals)
        {
            int node = 0;
            foreach (byte value in bytes)
            {
                if (!children[node].TryGetValue(value, out int next))
                {
                    next = children.Count;
                    children[node].Add(value, next);
                    children.Add([]);
                }
                node = next;
            }
            tags[node] = tag;
        }
        for (int node = 0; node < children.Count; node++)
        {
            Add(tags.GetValueOrDefault(node, -1));
        }
    }

    public static LiteralAutomaton Of(string text) => new((System.Text.Encoding.UTF8.GetBytes(text), 0));

    public override bool Continues(int state) => children[state].Count > 0;

    public override Slice SliceOf(int state, VocabularyTrie vocabulary) => slices.GetOrAdd(state, () => Make(state, vocabulary));

    protected override int Step(int state, byte value) => children[state].GetValueOrDefault(value, Dead);

    // Both tries side by side.
    private Slice Make(int start, VocabularyTrie vocabulary)
    {
        Span<ulong> found = SliceBuilder.NoTokens(vocabulary);
        SortedDictionary<int, List<int>> exits = [];
        Stack<(int State, int Node)> pending = new();
        foreach ((byte value, int next) in children[start])
        {
            pending.Push((next, vocabulary.First(value)));
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
            foreach ((byte value, int next) in children[at.State])
            {
                pending.Push((next, vocabulary.Child(at.Node, value)));
            }
        }
        return Slice.Of(found, exits);
    }
}
