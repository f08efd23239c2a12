namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>Walks the vocabulary through an automaton.</summary>
internal static class SliceBuilder
{
    // From so many tokens on bits are smaller than numbers to set one by one.
    private const int DenseFrom = 2048;

    public static Slice Walk(Automaton automaton, int start, VocabularyTrie vocabulary)
    {
        ReadOnlySpan<byte> labels = vocabulary.Labels;
        ReadOnlySpan<ushort> depths = vocabulary.Depths;
        ReadOnlySpan<int> ends = vocabulary.Ends;
        ReadOnlySpan<int> tokens = vocabulary.Tokens;
        int[] path = new int[vocabulary.MaxTokenBytes + 1];
        path[0] = start;
        List<int> found = [];
        SortedDictionary<int, List<int>> exits = [];
        for (int node = 0; node < labels.Length;)
        {
            int depth = depths[node];
            int next = automaton.Next(path[depth - 1], labels[node]);
            if (next == Automaton.Dead)
            {
                node = ends[node];
                continue;
            }
            if (tokens[node] >= 0)
            {
                found.Add(tokens[node]);
            }
            int tag = automaton.Tag(next);
            if (tag >= 0)
            {
                if (ends[node] > node + 1)
                {
                    if (!exits.TryGetValue(tag, out List<int>? nodes))
                    {
                        exits.Add(tag, nodes = []);
                    }
                    nodes.Add(node);
                }
                if (!automaton.Continues(next))
                {
                    node = ends[node];
                    continue;
                }
            }
            path[depth] = next;
            node++;
        }
        Slice.Exit[] rests = [.. exits.Select(exit => new Slice.Exit(exit.Key, new SuffixTrie(vocabulary, exit.Value)))];
        if (found.Count < DenseFrom)
        {
            return new Slice(null, [.. found], rests);
        }
        ulong[] dense = new ulong[(vocabulary.VocabularySize + 63) / 64];
        foreach (int token in found)
        {
            dense[token >> 6] |= 1UL << (token & 63);
        }
        return new Slice(dense, [], rests);
    }
}
