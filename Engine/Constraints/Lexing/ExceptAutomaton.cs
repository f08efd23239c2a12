namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>What another automaton accepts, without some of it. The other one accepts more than what is taken out after every beginning.</summary>
internal sealed class ExceptAutomaton : LazyAutomaton
{
    private readonly TextAutomaton _inner;
    private readonly ByteTrie _excluded;
    private readonly List<(int Inner, int Node)> _states = [];
    private readonly Dictionary<(int, int), int> _ids = [];
    private readonly StateSlices _slices = new();

    public ExceptAutomaton(TextAutomaton inner, IEnumerable<byte[]> excluded)
    {
        _inner = inner;
        _excluded = new ByteTrie(excluded.Select(bytes => (bytes, 0)));
        Intern(0, 0);
    }

    public override bool Continues(int state) => _inner.Continues(_states[state].Inner);

    protected override int Step(int state, byte value)
    {
        (int at, int node) = _states[state];
        int next = _inner.Next(at, value);
        int child = node == ByteTrie.Off ? ByteTrie.Off : _excluded.Child(node, value);
        return next == Dead || (IsExcluded(child) && !_inner.Continues(next)) ? Dead : Intern(next, child);
    }

    public override Slice SliceOf(int state, VocabularyTrie vocabulary)
    {
        (int at, int node) = _states[state];
        return node == ByteTrie.Off ? _inner.SliceOf(at, vocabulary) : _slices.Find(state) ?? _slices.Add(state, Make(state, at, node, vocabulary));
    }

    private bool IsExcluded(int node) => node != ByteTrie.Off && _excluded.Tag(node) >= 0;

    // The other automaton's slice is right but for the tokens that hold the whole rest of what is taken out.
    private Slice Make(int state, int at, int node, VocabularyTrie vocabulary)
    {
        WrittenTokens[] tables = [.. _inner.TokensAt(at, vocabulary)];
        if (tables.Length == 0)
        {
            return Reaches(node, vocabulary) ? SliceBuilder.Walk(this, state, vocabulary) : _inner.SliceOf(at, vocabulary);
        }
        HashSet<Slice.Rest[]> taken = [];
        byte[] read = new byte[vocabulary.MaxTokenBytes];
        Stack<(int Node, int Depth)> pending = new([(node, 0)]);
        while (pending.TryPop(out (int Node, int Depth) next))
        {
            if (next.Depth > 0)
            {
                read[next.Depth - 1] = _excluded.Label(next.Node);
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
                for (int child = _excluded.FirstChild(next.Node); child != ByteTrie.Off; child = _excluded.NextSibling(child))
                {
                    pending.Push((child, next.Depth + 1));
                }
            }
        }
        return taken.Count == 0 ? _inner.SliceOf(at, vocabulary) : _inner.SliceOf(at, vocabulary).Without(taken);
    }

    private bool Reaches(int start, VocabularyTrie vocabulary)
    {
        Stack<(int Node, int Token)> pending = new();
        for (int child = _excluded.FirstChild(start); child != ByteTrie.Off; child = _excluded.NextSibling(child))
        {
            pending.Push((child, vocabulary.First(_excluded.Label(child))));
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
            for (int child = _excluded.FirstChild(at.Node); child != ByteTrie.Off; child = _excluded.NextSibling(child))
            {
                pending.Push((child, vocabulary.Child(at.Token, _excluded.Label(child))));
            }
        }
        return false;
    }

    private int Intern(int at, int node)
    {
        if (!_ids.TryGetValue((at, node), out int id))
        {
            // The list first: a reader that learns of the state looks it up there.
            _states.Add((at, node));
            id = Add(IsExcluded(node) ? -1 : _inner.Tag(at));
            _ids.Add((at, node), id);
        }
        return id;
    }
}
