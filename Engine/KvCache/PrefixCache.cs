namespace Llama4Kernels.Engine.KvCache;

/// <summary>
/// Blocks of sequences that ended or go on, kept for prompts that begin like them: a tree whose nodes are blocks, found by the
/// keys of their positions (which are compared themselves, so that nothing is taken for something else), below a root for each
/// salt, so that whoever gives another salt shares nothing. Blocks in it are never written again.
/// </summary>
/// <remarks>
/// A prefix of P positions can be used if all its nodes are there and those from the start of P's chunk on still have their
/// chunked block: layers that see only their chunk need no more. So chunked blocks of earlier chunks age, and go, alone.
/// Whoever ends in the middle of a block leaves a leaf with fewer positions, and a prompt that shares a part of a block gets a
/// copy. What was used longest ago goes first, ends before beginnings, and nothing goes that a sequence stands on. Not
/// thread-safe: it belongs to who runs the steps.
/// </remarks>
internal sealed class PrefixCache(BlockPool pool)
{
    private readonly Dictionary<string, PrefixNode> _roots = [];

    // From the one used longest ago; a node comes before those above it.
    private readonly LinkedList<PrefixNode> _nodes = [], _chunked = [];
    private readonly bool _hasChunked = pool.Layers.Count(BlockKind.Chunked) > 0, _hasFull = pool.Layers.Count(BlockKind.Full) > 0;
    private readonly int _chunkBlocks = pool.Layers.Chunk is int chunk ? chunk / pool.BlockTokens : int.MaxValue;
    private long _now;

    /// <summary>Nodes in the tree.</summary>
    public int Nodes => _nodes.Count;

    /// <summary>Nodes that still have their chunked block.</summary>
    public int ChunkedNodes => _chunked.Count;

    /// <summary>Blocks of each kind that only the tree holds.</summary>
    public (int Chunked, int Full) Evictable
    {
        get
        {
            (int chunked, int full) = (0, 0);
            foreach (PrefixNode node in _nodes)
            {
                full += _hasFull && pool.References(BlockKind.Full, node.Full) == 1 ? 1 : 0;
                chunked += node.Chunked >= 0 && pool.References(BlockKind.Chunked, node.Chunked) == 1 ? 1 : 0;
            }
            return (chunked, full);
        }
    }

    /// <summary>Bytes of blocks that only the tree holds.</summary>
    public long EvictableBytes => Evictable is var (chunked, full) ? chunked * pool.BlockBytes(BlockKind.Chunked) + full * pool.BlockBytes(BlockKind.Full) : 0;

    /// <summary>The longest usable prefix of these keys; it counts as used now.</summary>
    public PrefixMatch Find(string salt, ReadOnlySpan<long> keys)
    {
        List<PrefixNode> path = [];
        int last = pool.BlockTokens;
        if (_roots.TryGetValue(salt, out PrefixNode? node))
        {
            while (last == pool.BlockTokens && node.Closest(keys[(path.Count * pool.BlockTokens)..]) is (PrefixNode child, int shared))
            {
                path.Add(child);
                (node, last) = (child, shared);
            }
        }
        int usable = Usable(path, last);
        if (usable < path.Count)
        {
            path.RemoveRange(usable, path.Count - usable);
            last = pool.BlockTokens;
        }
        if (path.Count == 0)
        {
            return new PrefixMatch([], null, 0);
        }
        Touch(path[^1], last == pool.BlockTokens && path.Count % _chunkBlocks == 0);
        if (last == pool.BlockTokens)
        {
            return new PrefixMatch(path, null, 0);
        }
        PrefixNode tail = path[^1];
        path.RemoveAt(path.Count - 1);
        return new PrefixMatch(path, tail, last);
    }

    /// <summary>Where a sequence with a salt begins.</summary>
    public PrefixNode Pin(string salt)
    {
        if (!_roots.TryGetValue(salt, out PrefixNode? root))
        {
            _roots.Add(salt, root = new PrefixNode(salt));
        }
        return Pin(root);
    }

    /// <summary>Keeps a node with its blocks, until <see cref="Unpin"/>.</summary>
    public PrefixNode Pin(PrefixNode node)
    {
        node.Pins++;
        return node;
    }

    /// <summary>Takes one <see cref="Pin(PrefixNode)"/> back.</summary>
    public void Unpin(PrefixNode node)
    {
        node.Pins--;
        DropIfEmpty(node);
    }

    /// <summary>
    /// Takes the blocks that a sequence has filled since it stood on <paramref name="at"/>. Where the tree has the same
    /// positions already, the sequence takes over the tree's blocks and gives its own back.
    /// </summary>
    /// <param name="at">A pinned node.</param>
    /// <param name="keys">Of the sequence's cached positions.</param>
    /// <param name="blocks">Its blocks; those of the chunk that ends with them still there.</param>
    /// <returns>The node that it stands on now, to which the pin has moved.</returns>
    public PrefixNode Insert(PrefixNode at, ReadOnlySpan<long> keys, SequenceBlocks blocks)
    {
        if (keys.Length - at.Depth * pool.BlockTokens < pool.BlockTokens)
        {
            return at;
        }
        for (int size = pool.BlockTokens; keys.Length - at.Depth * size >= size;)
        {
            int index = at.Depth;
            ReadOnlySpan<long> own = keys.Slice(index * size, size);
            (PrefixNode? node, int shared) = at.Closest(own);
            if (node is not null && shared == size)
            {
                Unite(node, index, blocks);
            }
            else
            {
                // A shorter end of another sequence that this one goes beyond.
                PrefixNode? shorter = node is not null && shared == node.Keys.Length && node.Pins == 0 ? node : null;
                node = Add(at, own.ToArray(), index, blocks);
                if (shorter is not null)
                {
                    Evict(shorter);
                }
            }
            Pin(node);
            // Not by Unpin: it has a child now.
            at.Pins--;
            at = node;
        }
        Touch(at, ofOlderChunk: false);
        return at;
    }

    /// <summary>Takes the last block of a sequence that is over, with the positions that it has.</summary>
    /// <param name="at">The node that <see cref="Insert"/> led to.</param>
    /// <param name="keys">Of the sequence's cached positions.</param>
    /// <param name="blocks">Its blocks.</param>
    public void InsertTail(PrefixNode at, ReadOnlySpan<long> keys, SequenceBlocks blocks)
    {
        ReadOnlySpan<long> own = keys[(at.Depth * pool.BlockTokens)..];
        if (own.Length == 0)
        {
            return;
        }
        (PrefixNode? closest, int shared) = at.Closest(own);
        if (shared == own.Length)
        {
            Touch(closest!, ofOlderChunk: false);
            return;
        }
        PrefixNode tail = Add(at, own.ToArray(), at.Depth, blocks);
        if (closest is not null && shared == closest.Keys.Length && closest.Pins == 0)
        {
            Evict(closest);
        }
        Touch(tail, ofOlderChunk: false);
    }

    /// <summary>Evicts until so many blocks of each kind can be taken; false if that cannot be, with all gone that could go.</summary>
    public bool MakeRoom(int chunked, int full)
    {
        while (!pool.HasRoom(chunked, full))
        {
            if (!EvictOne(onlyFullIsShort: full > pool.FreeBlocks(BlockKind.Full) && chunked <= pool.FreeBlocks(BlockKind.Chunked)))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>Evicts all that no sequence stands on.</summary>
    public void Clear()
    {
        while (EvictOne(onlyFullIsShort: true))
        {
        }
    }

    /// <summary>How many nodes of a path have what the layers need that see only the chunk in which the path ends.</summary>
    private int Usable(List<PrefixNode> path, int last)
    {
        if (!_hasChunked || path.Count == 0 || (last == pool.BlockTokens && path.Count % _chunkBlocks == 0))
        {
            return path.Count;
        }
        int first = (path.Count - 1) / _chunkBlocks * _chunkBlocks;
        int missing = path.FindIndex(first, node => node.Chunked < 0);
        return missing < 0 ? path.Count : missing;
    }

    private PrefixNode Add(PrefixNode parent, long[] keys, int index, SequenceBlocks blocks)
    {
        var node = new PrefixNode(parent, keys);
        if (_hasFull)
        {
            node.Full = blocks.Table(BlockKind.Full)[index];
            pool.Reference(BlockKind.Full, node.Full);
        }
        _nodes.AddLast(node.Place!);
        if (_hasChunked)
        {
            GiveChunked(node, index, blocks);
        }
        return node;
    }

    private void GiveChunked(PrefixNode node, int index, SequenceBlocks blocks)
    {
        node.Chunked = blocks.Table(BlockKind.Chunked)[index % _chunkBlocks];
        pool.Reference(BlockKind.Chunked, node.Chunked);
        _chunked.AddLast(node.ChunkedPlace!);
    }

    /// <summary>A sequence and a node have the same positions: one block of each kind remains.</summary>
    private void Unite(PrefixNode node, int index, SequenceBlocks blocks)
    {
        if (_hasFull)
        {
            blocks.Replace(BlockKind.Full, index, node.Full);
        }
        if (_hasChunked && node.Chunked < 0)
        {
            GiveChunked(node, index, blocks);
        }
        else if (_hasChunked)
        {
            blocks.Replace(BlockKind.Chunked, index % _chunkBlocks, node.Chunked);
        }
    }

    /// <summary>A node was used, and all above it; of the chunked blocks those of its chunk.</summary>
    private void Touch(PrefixNode node, bool ofOlderChunk)
    {
        _now++;
        int chunk = (node.Depth - 1) / _chunkBlocks;
        for (PrefixNode at = node; at.Parent is PrefixNode parent; at = parent)
        {
            at.UsedAt = _now;
            ToEnd(_nodes, at.Place!);
            if (at.Chunked >= 0 && !ofOlderChunk && (at.Depth - 1) / _chunkBlocks == chunk)
            {
                at.ChunkedUsedAt = _now;
                ToEnd(_chunked, at.ChunkedPlace!);
            }
        }
    }

    private static void ToEnd(LinkedList<PrefixNode> list, LinkedListNode<PrefixNode> place)
    {
        list.Remove(place);
        list.AddLast(place);
    }

    private bool EvictOne(bool onlyFullIsShort)
    {
        PrefixNode? leaf = First(_nodes, node => node.IsLeaf && node.Pins == 0);
        PrefixNode? chunked = First(_chunked, node => node.Pins == 0 && pool.References(BlockKind.Chunked, node.Chunked) == 1);
        if (leaf is not null && (chunked is null || onlyFullIsShort || leaf.UsedAt <= chunked.ChunkedUsedAt))
        {
            Evict(leaf);
            return true;
        }
        if (chunked is null)
        {
            return false;
        }
        DropChunked(chunked);
        return true;
    }

    private static PrefixNode? First(LinkedList<PrefixNode> list, Func<PrefixNode, bool> isFree)
    {
        for (LinkedListNode<PrefixNode>? place = list.First; place is not null; place = place.Next)
        {
            if (isFree(place.Value))
            {
                return place.Value;
            }
        }
        return null;
    }

    private void Evict(PrefixNode node)
    {
        PrefixNode parent = node.Parent!;
        DropChunked(node);
        if (_hasFull)
        {
            pool.Release(BlockKind.Full, node.Full);
        }
        _nodes.Remove(node.Place!);
        node.Remove();
        DropIfEmpty(parent);
    }

    private void DropChunked(PrefixNode node)
    {
        if (node.Chunked >= 0)
        {
            pool.Release(BlockKind.Chunked, node.Chunked);
            node.Chunked = -1;
            _chunked.Remove(node.ChunkedPlace!);
        }
    }

    /// <summary>A root that nothing hangs on is no more.</summary>
    private void DropIfEmpty(PrefixNode node)
    {
        if (node.Depth == 0 && node.IsLeaf && node.Pins == 0)
        {
            _roots.Remove(node.Salt);
        }
    }
}
