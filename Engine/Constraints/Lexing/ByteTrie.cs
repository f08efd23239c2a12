namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>Byte strings as a trie: nodes are numbers, the root is 0. Not thread-safe while strings are added.</summary>
internal sealed class ByteTrie
{
    /// <summary>No node.</summary>
    public const int Off = -1;

    // The root is no one's child, so that 0 stands for none.
    private Node[] nodes = new Node[4];

    public int Count { get; private set; } = 1;

    /// <summary>Adds a string and returns its node.</summary>
    public int Add(ReadOnlySpan<byte> bytes)
    {
        int node = 0;
        foreach (byte value in bytes)
        {
            int child = Child(node, value);
            if (child == Off)
            {
                if (Count == nodes.Length)
                {
                    Array.Resize(ref nodes, 2 * Count);
                }
                child = Count++;
                nodes[child] = new Node(value, 0, nodes[node].Child);
                nodes[node] = nodes[node] with { Child = child };
            }
            node = child;
        }
        return node;
    }

    /// <summary>The child of a node for a byte; <see cref="Off"/> if there is none.</summary>
    public int Child(int node, byte value)
    {
        int child = nodes[node].Child;
        while (child != 0 && nodes[child].Label != value)
        {
            child = nodes[child].Sibling;
        }
        return child == 0 ? Off : child;
    }

    public bool HasChildren(int node) => nodes[node].Child != 0;

    public IEnumerable<(byte Label, int Child)> Children(int node)
    {
        for (int child = nodes[node].Child; child != 0; child = nodes[child].Sibling)
        {
            yield return (nodes[child].Label, child);
        }
    }

    /// <param name="Label">The byte that leads here.</param>
    /// <param name="Child">Its first child.</param>
    /// <param name="Sibling">The next child of its parent.</param>
    private readonly record struct Node(byte Label, int Child, int Sibling);
}
