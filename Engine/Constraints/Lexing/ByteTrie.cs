namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>Byte strings with tags as a trie: nodes are numbers, the root is 0. Not thread-safe while strings are added.</summary>
internal sealed class ByteTrie
{
    /// <summary>No node.</summary>
    public const int Off = -1;

    // The root is no one's child, so that 0 stands for none.
    private Node[] _nodes = new Node[4];

    public ByteTrie() => _nodes[0] = new Node(0, 0, 0, Off);

    /// <param name="strings">What it holds; of equal strings the last one's tag.</param>
    public ByteTrie(IEnumerable<(byte[] Bytes, int Tag)> strings)
        : this()
    {
        foreach ((byte[] bytes, int tag) in strings)
        {
            Add(bytes, tag);
        }
        Array.Resize(ref _nodes, Count);
    }

    /// <summary>A copy that grows by itself.</summary>
    public ByteTrie(ByteTrie other) => (_nodes, Count) = ([.. other._nodes], other.Count);

    public int Count { get; private set; } = 1;

    /// <summary>Adds a string and returns its node.</summary>
    /// <param name="bytes">The string.</param>
    /// <param name="tag">Its tag, at least 0.</param>
    public int Add(ReadOnlySpan<byte> bytes, int tag)
    {
        int node = 0;
        foreach (byte value in bytes)
        {
            int child = Child(node, value);
            if (child == Off)
            {
                if (Count == _nodes.Length)
                {
                    Array.Resize(ref _nodes, 2 * Count);
                }
                child = Count++;
                _nodes[child] = new Node(value, 0, _nodes[node].Child, Off);
                _nodes[node] = _nodes[node] with { Child = child };
            }
            node = child;
        }
        _nodes[node] = _nodes[node] with { Tag = tag };
        return node;
    }

    /// <summary>The tag of the string that ends at a node, or −1.</summary>
    public int Tag(int node) => _nodes[node].Tag;

    /// <summary>The byte that leads to a node.</summary>
    public byte Label(int node) => _nodes[node].Label;

    /// <summary>The child of a node for a byte; <see cref="Off"/> if there is none.</summary>
    public int Child(int node, byte value)
    {
        int child = _nodes[node].Child;
        while (child != 0 && _nodes[child].Label != value)
        {
            child = _nodes[child].Sibling;
        }
        return child == 0 ? Off : child;
    }

    /// <summary>The first child of a node, its number greater than the node's; <see cref="Off"/> if there is none.</summary>
    public int FirstChild(int node) => _nodes[node].Child == 0 ? Off : _nodes[node].Child;

    /// <summary>The child of the same parent after a node; <see cref="Off"/> if there is none.</summary>
    public int NextSibling(int node) => _nodes[node].Sibling == 0 ? Off : _nodes[node].Sibling;

    /// <param name="Label">The byte that leads here.</param>
    /// <param name="Child">Its first child.</param>
    /// <param name="Sibling">The next child of its parent.</param>
    /// <param name="Tag">The tag of the string that ends here, or −1.</param>
    private readonly record struct Node(byte Label, int Child, int Sibling, int Tag);
}
