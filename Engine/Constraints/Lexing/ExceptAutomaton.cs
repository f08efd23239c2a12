namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>What another automaton accepts, without some of it. The other one accepts more than what is taken out after every beginning.</summary>
internal sealed class ExceptAutomaton : Automaton
{
    private const int Off = -1;

    private readonly Automaton inner;
    private readonly List<SortedList<byte, int>> children = [[]];
    private readonly HashSet<int> excluded = [];
    private readonly List<(int Inner, int Node)> states = [];
    private readonly Dictionary<(int, int), int> ids = [];

    public ExceptAutomaton(Automaton inner, IEnumerable<byte[]> excluded)
    {
        this.inner = inner;
        foreach (byte[] bytes in excluded)
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
            this.excluded.Add(node);
        }
        Intern(0, 0);
    }

    public override bool Continues(int state) => inner.Continues(states[state].Inner);

    protected override int Step(int state, byte value)
    {
        (int at, int node) = states[state];
        int next = inner.Next(at, value);
        int child = node == Off ? Off : children[node].GetValueOrDefault(value, Off);
        return next == Dead || (excluded.Contains(child) && !inner.Continues(next)) ? Dead : Intern(next, child);
    }

    // Seldom does a token hold the whole rest of what is taken out; without that the other automaton's slice is right.
    protected override Slice MakeSlice(int state, VocabularyTrie vocabulary)
    {
        (int at, int node) = states[state];
        return node != Off && Reaches(node, vocabulary) ? base.MakeSlice(state, vocabulary) : inner.SliceOf(at, vocabulary);
    }

    private bool Reaches(int start, VocabularyTrie vocabulary)
    {
        Stack<(int Node, int Token)> pending = new();
        foreach ((byte value, int child) in children[start])
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
            foreach ((byte value, int child) in children[at.Node])
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
