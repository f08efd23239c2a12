namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>What another automaton accepts, without some of it. The other one accepts more than what is taken out after every beginning.</summary>
internal sealed class ExceptAutomaton : Automaton
{
    private readonly TextAutomaton inner;
    private readonly ByteTrie trie = new();
    private readonly HashSet<int> excluded = [];
    private readonly List<(int Inner, int Node)> states = [];
    private readonly Dictionary<(int, int), int> ids = [];
    private readonly StateSlices slices = new();

    public ExceptAutomaton(TextAutomaton inner, IEnumerable<byte[]> excluded)
    {
        this.inner = inner;
        foreach (byte[] bytes in excluded)
        {
            this.excluded.Add(trie.Add(bytes));
        }
        Intern(0, 0);
    }

    public override bool Continues(int state) => inner.Continues(states[state].Inner);

    protected override int Step(int state, byte value)
    {
        (int at, int node) = states[state];
        int next = inner.Next(at, value);
        int child = node == ByteTrie.Off ? ByteTrie.Off : trie.Child(node, value);
        return next == Dead || (excluded.Contains(child) && !inner.Continues(next)) ? Dead : Intern(next, child);
    }

    public override Slice SliceOf(int state, VocabularyTrie vocabulary)
    {
        (int at, int node) = states[state];
        return node == ByteTrie.Off ? inner.SliceOf(at, vocabulary) : slices.GetOrAdd(state, () => Make(state, at, node, vocabulary));
    }

    // The other automaton's slice is right but for the tokens that hold the whole rest of what is taken out.
    private Slice Make(int state, int at, int node, VocabularyTrie vocabulary)
    {
        WrittenTokens[] tables = [.. inner.TokensAt(at, vocabulary)];
        if (tables.Length == 0)
        {
            return Reaches(node, vocabulary) ? SliceBuilder.Walk(this, state, vocabulary) : inner.SliceOf(at, vocabulary);
        }
        HashSet<Slice.Rest[]> taken = [];
        Stack<(int Node, byte[] Read)> pending = new([(node, [])]);
        while (pending.TryPop(out (int Node, byte[] Read) next))
        {
            if (excluded.Contains(next.Node))
            {
                taken.UnionWith(tables.Select(table => table.Closing(next.Read)).OfType<Slice.Rest[]>());
            }
            if (next.Read.Length < vocabulary.MaxTokenBytes)
            {
                foreach ((byte value, int child) in trie.Children(next.Node))
                {
                    pending.Push((child, [.. next.Read, value]));
                }
            }
        }
        return taken.Count == 0 ? inner.SliceOf(at, vocabulary) : inner.SliceOf(at, vocabulary).Without(taken);
    }

    private bool Reaches(int start, VocabularyTrie vocabulary)
    {
        Stack<(int Node, int Token)> pending = new();
        foreach ((byte value, int child) in trie.Children(start))
        {
            pending.Push((child, vocabulary.First(value)));
        }
        while (pending.TryPop(out (int Node, int Token) at))
        {
            if (at.Token < 0)
            {
                continue;
            }
            if (excluded.Contains(at.Node))
            {
                return true;
            }
            foreach ((byte value, int child) in trie.Children(at.Node))
            {
                pending.Push((child, vocabulary.Child(at.Token, value)));
            }
        }
        return false;
    }

    private int Intern(int at, int node)
    {
        if (!ids.TryGetValue((at, node), out int id))
        {
            states.Add((at, node));
            id = Add(excluded.Contains(node) ? -1 : inner.Tag(at));
            ids.Add((at, node), id);
        }
        return id;
    }
}
