namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>The rests of tokens, equal rests together, as a trie of bytes in depth-first order. Immutable.</summary>
internal sealed class SuffixTrie
{
    private SuffixTrie(Node[] nodes) => Nodes = nodes;

    public Node[] Nodes { get; }

    /// <summary>Some rests.</summary>
    /// <param name="rests">Distinct and none empty, ascending.</param>
    /// <param name="ends">The node of each.</param>
    public static SuffixTrie Of(IReadOnlyList<byte[]> rests, out int[] ends)
    {
        List<Node> nodes = [];
        ends = new int[rests.Count];
        byte[] previous = [];
        for (int i = 0; i < ends.Length; i++)
        {
            for (int depth = rests[i].AsSpan().CommonPrefixLength(previous); depth < rests[i].Length; depth++)
            {
                nodes.Add(new Node(rests[i][depth], (ushort)(depth + 1), 0));
            }
            ends[i] = nodes.Count - 1;
            previous = rests[i];
        }
        Stack<int> open = new();
        Node[] linked = [.. nodes];
        for (int node = linked.Length - 1; node >= 0; node--)
        {
            while (open.TryPeek(out int child) && linked[child].Depth > linked[node].Depth)
            {
                open.Pop();
            }
            linked[node] = linked[node] with { End = open.TryPeek(out int after) ? after : linked.Length };
            open.Push(node);
        }
        return new SuffixTrie(linked);
    }

    /// <summary>A byte of a rest, its depth from 1, and the node after its subtree.</summary>
    public readonly record struct Node(byte Label, ushort Depth, int End);
}
