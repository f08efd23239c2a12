namespace Llama4Kernels.Engine.KvCache;

/// <summary>
/// The positions of one block in the tree of cached prefixes, after those of all nodes above. A node holds a reference to each
/// of its blocks. The roots stand for nothing but whose prefixes they are.
/// </summary>
internal sealed class PrefixNode
{
    private readonly List<PrefixNode> _children = [];

    /// <summary>A root.</summary>
    public PrefixNode(string salt)
    {
        Salt = salt;
        Keys = [];
    }

    /// <summary>A node below another, with no blocks yet.</summary>
    public PrefixNode(PrefixNode parent, long[] keys)
    {
        Parent = parent;
        Salt = parent.Salt;
        Keys = keys;
        Depth = parent.Depth + 1;
        parent._children.Add(this);
        Place = new(this);
        ChunkedPlace = new(this);
    }

    /// <summary>Null above the first block, and when the node has left the tree.</summary>
    public PrefixNode? Parent { get; private set; }

    /// <summary>Whose prefix it is.</summary>
    public string Salt { get; }

    /// <summary>What stands at its positions; fewer than a block's for the end of a sequence.</summary>
    public long[] Keys { get; }

    /// <summary>Blocks up to here, this one included.</summary>
    public int Depth { get; }

    /// <summary>The block of full layers; −1 if the model has none.</summary>
    public int Full { get; set; } = -1;

    /// <summary>The block of chunked layers; −1 if it has been evicted or the model has none.</summary>
    public int Chunked { get; set; } = -1;

    /// <summary>Sequences that stand on it.</summary>
    public int Pins { get; set; }

    /// <summary>When it was used last, and when its chunked block was.</summary>
    public long UsedAt { get; set; }

    /// <inheritdoc cref="UsedAt"/>
    public long ChunkedUsedAt { get; set; }

    /// <summary>Its place among the nodes by use.</summary>
    public LinkedListNode<PrefixNode>? Place { get; }

    /// <summary>Its place among the nodes with a chunked block by the use of that.</summary>
    public LinkedListNode<PrefixNode>? ChunkedPlace { get; }

    public bool IsLeaf => _children.Count == 0;

    /// <summary>The child that goes on like <paramref name="keys"/> for the longest, and for how many; null and 0 if none does.</summary>
    public (PrefixNode? Child, int Shared) Closest(ReadOnlySpan<long> keys)
    {
        PrefixNode? best = null;
        int most = 0;
        foreach (PrefixNode child in _children)
        {
            int shared = keys.CommonPrefixLength(child.Keys);
            if (shared > most)
            {
                (best, most) = (child, shared);
            }
        }
        return (best, most);
    }

    /// <summary>Leaves the tree.</summary>
    public void Remove()
    {
        Parent!._children.Remove(this);
        Parent = null;
    }
}
