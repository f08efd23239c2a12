namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>Finds what the tokens do from a state of an automaton.</summary>
internal static class SliceBuilder
{
    /// <summary>Paths of so many places lie on the stack.</summary>
    public const int MaxOnStack = 1024;

    [ThreadStatic]
    private static ulong[]? s_scratch;

    /// <summary>No tokens as bits; one a thread, for one slice at a time.</summary>
    public static Span<ulong> NoTokens(VocabularyTrie vocabulary)
    {
        int words = (vocabulary.VocabularySize + 63) / 64;
        if (s_scratch is null || s_scratch.Length < words)
        {
            s_scratch = new ulong[words];
        }
        Span<ulong> found = s_scratch.AsSpan(0, words);
        found.Clear();
        return found;
    }

    /// <summary>Walks the vocabulary byte by byte: for automata that few tokens fit.</summary>
    public static Slice Walk(Automaton automaton, int start, VocabularyTrie vocabulary)
    {
        ReadOnlySpan<byte> labels = vocabulary.Labels;
        ReadOnlySpan<ushort> depths = vocabulary.Depths;
        ReadOnlySpan<int> ends = vocabulary.Ends;
        ReadOnlySpan<int> tokens = vocabulary.Tokens;
        int longest = vocabulary.MaxTokenBytes + 1;
        Span<int> path = longest <= MaxOnStack ? stackalloc int[longest] : new int[longest];
        path[0] = start;
        Span<ulong> found = NoTokens(vocabulary);
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
                found[tokens[node] >> 6] |= 1UL << (tokens[node] & 63);
            }
            int tag = automaton.Tag(next);
            if (tag >= 0)
            {
                if (ends[node] > node + 1)
                {
                    Slice.Add(exits, tag, node);
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
        return Slice.Of(found, exits, vocabulary.Sets);
    }
}
