namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>The rests of tokens, equal rests together, as a trie in depth-first order. Immutable.</summary>
internal sealed class SuffixTrie
{
    private readonly List<byte> labels = [];
    private readonly List<ushort> depths = [];
    private readonly List<int> ends = [];
    private readonly List<int[]> tokens = [];

    /// <summary>Takes the subtrees of nodes of the vocabulary, without the nodes.</summary>
    public SuffixTrie(VocabularyTrie vocabulary, IReadOnlyList<int> nodes)
    {
        Add(vocabulary, nodes, 1);
        Nodes = [.. labels.Select((label, i) => new Node(label, depths[i], ends[i], tokens[i]))];
        labels = [];
        depths = [];
        ends = [];
        tokens = [];
    }

    public Node[] Nodes { get; }

    private void Add(VocabularyTrie vocabulary, IReadOnlyList<int> nodes, ushort depth)
    {
        SortedDictionary<byte, List<int>> byLabel = [];
        foreach (int node in nodes)
        {
            for (int child = node + 1; child < vocabulary.Ends[node]; child = vocabulary.Ends[child])
            {
                byte label = vocabulary.Labels[child];
                if (!byLabel.TryGetValue(label, out List<int>? same))
                {
                    byLabel.Add(label, same = []);
                }
                same.Add(child);
            }
        }
        foreach ((byte label, List<int> children) in byLabel)
        {
            int index = labels.Count;
            labels.Add(label);
            depths.Add(depth);
            ends.Add(0);
            List<int> complete = [];
            foreach (int child in children)
            {
                if (vocabulary.Tokens[child] >= 0)
                {
                    complete.Add(vocabulary.Tokens[child]);
                }
            }
            tokens.Add([.. complete]);
            // As deep as the longest token, which a tokenizer bounds.
            Add(vocabulary, children, (ushort)(depth + 1));
            ends[index] = labels.Count;
        }
    }

    /// <summary>A byte of a rest, its depth from 1, the node after its subtree, and the tokens whose rest ends with it.</summary>
    public readonly record struct Node(byte Label, ushort Depth, int End, int[] Tokens);
}
