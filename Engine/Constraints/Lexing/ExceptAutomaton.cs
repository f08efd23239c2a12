namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>What another automaton accepts, without some of it. The other one accepts more than what is taken out after every beginning.</summary>
internal sealed class ExceptAutomaton : LazyAutomaton
{
    private readonly TextAutomaton inner;
    private readonly ByteTrie excluded;
    private readonly List<(int Inner, int Node)> states = [];
    private readonly Dictionary<(int, int), int> ids = [];
    private readonly StateSlices slices = new();

    public ExceptAutomaton(TextAutomaton inner, IEnumerable<byte[]> excluded)
    {
        this.inner = inner;
        this.excluded = new ByteTrie(excluded.Select(bytes => (bytes, 0)));
        Intern(0, 0);
    }

    public override bool Continues(int state) => inner.Continues(states[state].Inner);

    protected override int Step(int state, byte value)
    {
        (int at, int node) = states[state];
        int next = inner.Next(at, value);
        int child = node == ByteTrie.Off ? ByteTrie.Off : excluded.Child(node, value);
        return next == Dead || (IsExcluded(child) && !inner.Continues(next)) ? Dead : Intern(next, child);
    }

    public override Slice SliceOf(int state, VocabularyTrie vocabulary)
    {
        (int at, int node) = states[state];
        return node == ByteTrie.Off ? inner.SliceOf(at, vocabulary) : slices.GetOrAdd(state, () => Make(state, at, node, vocabulary));
    }

    private bool IsExcluded(int node) => node != ByteTrie.Off && excluded.Tag(node) >= 0;

    // The other automaton's slice is right but for the tokens that hold the whole rest of what is taken out.
    private Slice Make(int state, int at, int node, VocabularyTrie vocabulary)
    {
        WrittenTokens[] tables = [.. inner.TokensAt(at, vocabulary)];
        if (tables.Length == 0)
        {
            return Reaches(node, vocabulary) ? SliceBuilder.Walk(this, state, vocabulary) : inner.SliceOf(at, vocabulary);
        }
        HashSet<Slice.Rest[]> taken = [];
        byte[] read = new byte[vocabulary.MaxTokenBytes];
        Stack<(int Node, int Depth)> pending = new([(node, 0)]);
        while (pending.TryPop(out (int Node, int Depth) next))
        {
            if (next.Depth > 0)
            {
                read[next.Depth - 1] = excluded.Label(next.Node);
            }
            if (IsExcluded(next.Node))
            {
                foreach (WrittenTokens table in tables)
                {
                    if (table.Closing(read.AsSpan(0, next.Depth)) is { } group)
                    {
                        taken.Add(group);
                    }
                }
            }
            if (next.Depth < read.Length)
            {
                for (int child = excluded.FirstChild(next.Node); child != ByteTrie.Off; child = excluded.NextSibling(child))
                {
                    pending.Push((child, next.Depth + 1));
                }
            }
        }
        return taken.Count == 0 ? inner.SliceOf(at, vocabulary) : inner.SliceOf(at, vocabulary).Without(taken);
    }

    private bool Reaches(int start, VocabularyTrie vocabulary)
    {
        Stack<(int Node, int Token)> pending = new();
        for (int child = excluded.FirstChild(start); child != ByteTrie.Off; child = excluded.NextSibling(child))
        {
            pending.Push((child, vocabulary.First(excluded.Label(child))));
        }
        while (pending.TryPop(out (int Node, int Token) at))
        {
            if (at.Token < 0)
            {
                continue;
            }
            if (IsExcluded(at.Node))
            {
                return true;
            }
            for (int child = excluded.FirstChild(at.Node); child != ByteTrie.Off; child = excluded.NextSibling(child))
            {
                pending.Push((child, vocabulary.Child(at.Token, excluded.Label(child))));
            }
        }
        return false;
    }

    private int Intern(int at, int node)
    {
        if (!ids.TryGetValue((at, node), out int id))
        {
            // The list first: a reader that learns of the state looks it up there.
            states.Add((at, node));
            id = Add(IsExcluded(node) ? -1 : inner.Tag(at));
            ids.Add((at, node), id);
        }
        return id;
    }
}
