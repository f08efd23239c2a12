using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>
/// Computes the mask of a state: for each terminal what the tokens do inside it, which the automaton knows, and from where it ends on a
/// walk of the rests through the machine.
/// </summary>
internal sealed class MaskBuilder(Machine machine, VocabularyTrie vocabulary)
{
    private static readonly byte[] Spaces = [(byte)' ', (byte)'\n', (byte)'\r', (byte)'\t'];

    private readonly MachineState[] path = new MachineState[vocabulary.MaxTokenBytes + 2];

    public StateMask Build(MachineState state)
    {
        List<ulong[]> shared = [];
        HashSet<int> single = [];
        bool skips = false;
        foreach (MachineState.Head head in state.Heads)
        {
            Slice slice = head.Terminal.Automaton.SliceOf(head.State, vocabulary);
            if (slice.Dense is { } dense && !shared.Contains(dense))
            {
                shared.Add(dense);
            }
            single.UnionWith(slice.Sparse);
            foreach (Slice.Exit exit in slice.Exits)
            {
                WalkRests(machine.At(head.Terminal.Target(exit.Tag), head.Stack), exit.Rests.Nodes, single);
            }
            skips |= head.State == 0 && head.Terminal.SkipsSpace;
        }
        if (skips)
        {
            foreach (byte space in Spaces)
            {
                WalkVocabulary(state, vocabulary.First(space), single);
            }
        }
        return new StateMask([.. shared], [.. single]);
    }

    private void WalkRests(MachineState from, SuffixTrie.Node[] nodes, HashSet<int> found)
    {
        path[0] = from;
        for (int i = 0; i < nodes.Length;)
        {
            ref readonly SuffixTrie.Node node = ref nodes[i];
            MachineState next = machine.Step(path[node.Depth - 1], node.Label);
            if (ReferenceEquals(next, MachineState.Dead))
            {
                i = node.End;
                continue;
            }
            foreach (int token in node.Tokens)
            {
                found.Add(token);
            }
            path[node.Depth] = next;
            i++;
        }
    }

    private void WalkVocabulary(MachineState from, int first, HashSet<int> found)
    {
        if (first < 0)
        {
            return;
        }
        path[0] = from;
        for (int node = first; node < vocabulary.Ends[first];)
        {
            int depth = vocabulary.Depths[node];
            MachineState next = machine.Step(path[depth - 1], vocabulary.Labels[node]);
            if (ReferenceEquals(next, MachineState.Dead))
            {
                node = vocabulary.Ends[node];
                continue;
            }
            if (vocabulary.Tokens[node] >= 0)
            {
                found.Add(vocabulary.Tokens[node]);
            }
            path[depth] = next;
            node++;
        }
    }
}
