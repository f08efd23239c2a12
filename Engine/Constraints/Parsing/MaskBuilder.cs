using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>
/// Computes the mask of a state: for each terminal what the tokens do inside it, which the automaton knows, and from where it ends on a
/// walk of the rests through the machine. Used under the machine's lock; what it returns is valid until the next call.
/// </summary>
internal sealed class MaskBuilder(Machine machine, VocabularyTrie vocabulary)
{
    private static readonly byte[] s_spaces = [(byte)' ', (byte)'\n', (byte)'\r', (byte)'\t'];

    [ThreadStatic]
    private static ulong[]? s_scratch;

    private readonly Lookahead _ahead = new(machine, vocabulary.MaxTokenBytes + 1);
    private readonly List<ulong[]> _shared = [];
    private readonly List<int> _single = [];

    public StateMask.Key Build(MachineState state)
    {
        _shared.Clear();
        Span<ulong> single = NoTokens();
        bool skips = false;
        foreach (MachineState.Head head in state.Heads)
        {
            Slice slice = head.Terminal.Automaton.SliceOf(head.State, vocabulary);
            if (slice.Dense is { } dense && !_shared.Contains(dense))
            {
                _shared.Add(dense);
            }
            foreach (int token in slice.Sparse)
            {
                Set(single, token);
            }
            foreach (Slice.Closing closing in slice.Closings)
            {
                AddClosing(machine.At(head.Terminal.Target(closing.Tag), head.Stack), closing, single);
            }
            foreach (Slice.Exit exit in slice.Exits)
            {
                AddExit(machine.At(head.Terminal.Target(exit.Tag), head.Stack), exit, single);
            }
            skips |= head.State == 0 && head.Terminal.SkipsSpace;
        }
        if (skips)
        {
            _ahead.Begin(0, state);
            foreach (byte space in s_spaces)
            {
                Walk(vocabulary.First(space), single);
            }
        }
        int[] spaces = skips ? vocabulary.Spaces : [];
        foreach (int token in spaces)
        {
            single[token >> 6] &= ~(1UL << (token & 63));
        }
        foreach (ulong[] known in _shared)
        {
            for (int i = 0; i < known.Length; i++)
            {
                single[i] &= ~known[i];
            }
        }
        if (Slice.AreDense(single))
        {
            return new StateMask.Key(CollectionsMarshal.AsSpan(_shared), spaces, single, []);
        }
        _single.Clear();
        Slice.AddNumbers(single, _single);
        return new StateMask.Key(CollectionsMarshal.AsSpan(_shared), spaces, [], CollectionsMarshal.AsSpan(_single));
    }

    private static void Set(Span<ulong> tokens, int token) => tokens[token >> 6] |= 1UL << (token & 63);

    private Span<ulong> NoTokens()
    {
        int words = (vocabulary.VocabularySize + 63) / 64;
        if (s_scratch is null || s_scratch.Length < words)
        {
            s_scratch = new ulong[words];
        }
        Span<ulong> none = s_scratch.AsSpan(0, words);
        none.Clear();
        return none;
    }

    private void AddClosing(MachineState after, Slice.Closing closing, Span<ulong> found)
    {
        if (ReferenceEquals(after, MachineState.Dead) || closing.Groups.Length == 0)
        {
            return;
        }
        ulong[] possible = after.PossibleRests(closing.Rests) ?? FindRests(after, closing.Rests);
        foreach (Slice.Rest[] group in closing.Groups)
        {
            foreach (Slice.Rest rest in group)
            {
                if (rest.Node < 0 || (possible[rest.Node >> 6] >> (rest.Node & 63) & 1) != 0)
                {
                    Set(found, rest.Token);
                }
            }
        }
    }

    // The rests that the machine takes from a state, as bits.
    private ulong[] FindRests(MachineState from, SuffixTrie rests)
    {
        ulong[] possible = new ulong[(rests.Nodes.Length + 63) / 64];
        _ahead.Begin(0, from);
        for (int i = 0; i < rests.Nodes.Length;)
        {
            ref readonly SuffixTrie.Node node = ref rests.Nodes[i];
            if (!_ahead.Step(node.Depth, node.Label))
            {
                i = node.End;
                continue;
            }
            possible[i >> 6] |= 1UL << (i & 63);
            i++;
        }
        from.RememberRests(rests, possible);
        return possible;
    }

    private void AddExit(MachineState after, Slice.Exit exit, Span<ulong> found)
    {
        if (after.Heads.Length == 0)
        {
            return;
        }
        foreach (int node in exit.Nodes)
        {
            _ahead.Begin(vocabulary.Depths[node], after);
            for (int child = node + 1; child < vocabulary.Ends[node]; child = vocabulary.Ends[child])
            {
                Walk(child, found);
            }
        }
    }

    // The tokens at a node of the vocabulary and below; the place before it is known.
    private void Walk(int first, Span<ulong> found)
    {
        if (first < 0)
        {
            return;
        }
        ReadOnlySpan<int> ends = vocabulary.Ends;
        for (int node = first; node < ends[first];)
        {
            if (!_ahead.Step(vocabulary.Depths[node], vocabulary.Labels[node]))
            {
                node = ends[node];
                continue;
            }
            if (vocabulary.Tokens[node] >= 0)
            {
                Set(found, vocabulary.Tokens[node]);
            }
            node++;
        }
    }
}
