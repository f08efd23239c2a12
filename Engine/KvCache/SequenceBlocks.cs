namespace Llama4Kernels.Engine.KvCache;

/// <summary>
/// Cached keys and values of one sequence: a block table for each kind of layers. Chunked layers hold the current chunk only:
/// when it is full, its blocks go back to the pool, because no later position can look across the edge.
/// </summary>
internal sealed class SequenceBlocks
{
    private readonly BlockPool _pool;
    private readonly CacheLayers _layers;
    private readonly BlockTable _chunked, _full;

    public SequenceBlocks(BlockPool pool)
    {
        _pool = pool;
        _layers = pool.Layers;
        _chunked = new BlockTable(pool, BlockKind.Chunked);
        _full = new BlockTable(pool, BlockKind.Full);
    }

    /// <summary>Positions cached so far; the next token has this position.</summary>
    public int Length { get; private set; }

    /// <summary>The blocks of a kind, those of a step that was begun included.</summary>
    public ReadOnlySpan<int> Table(BlockKind kind) => (kind == BlockKind.Chunked ? _chunked : _full).Blocks;

    /// <summary>The next token's position as layers of a kind count it.</summary>
    public int LocalPosition(BlockKind kind) => kind == BlockKind.Chunked && _layers.Chunk is int chunk ? Length % chunk : Length;

    /// <summary>How many of <paramref name="rows"/> next tokens can go into one step: a step never crosses a chunk edge.</summary>
    public int RowsBeforeChunkEdge(int rows) => _layers.Chunk is int chunk ? Math.Min(rows, chunk - Length % chunk) : rows;

    /// <summary>Blocks of a kind that a step of some rows takes beyond those that are held.</summary>
    public int Missing(BlockKind kind, int rows) => Math.Max(0, Needed(kind, rows) - Table(kind).Length);

    /// <summary>Blocks of a kind beyond those that are held that it takes at once on the way through so many rows, over chunk edges.</summary>
    public int MostMissing(BlockKind kind, int rows) => Missing(kind, kind == BlockKind.Chunked ? RowsBeforeChunkEdge(rows) : rows);

    /// <summary>Takes the blocks for the next rows, all or none.</summary>
    /// <exception cref="CacheFullException">There are not enough; nothing changed.</exception>
    public void Begin(int rows)
    {
        if (!_pool.HasRoom(Missing(BlockKind.Chunked, rows), Missing(BlockKind.Full, rows)))
        {
            throw new CacheFullException(_pool.UsedBytes, _pool.Bytes);
        }
        _chunked.Grow(Needed(BlockKind.Chunked, rows));
        _full.Grow(Needed(BlockKind.Full, rows));
    }

    /// <summary>The rows that were begun are cached. Blocks of a chunk that ends with them go with <see cref="LeaveChunk"/>.</summary>
    public void Commit(int rows) => Length += rows;

    /// <summary>Gives back the blocks of a chunk that is over.</summary>
    public void LeaveChunk()
    {
        if (_layers.Chunk is not null)
        {
            _chunked.Shrink(Needed(BlockKind.Chunked, 0));
        }
    }

    /// <summary>Begins with the blocks of cached positions, which nobody writes any more, and with references of its own to them.</summary>
    /// <param name="nodes">From the first position on; those of the chunk in which they end have their chunked blocks.</param>
    public void Share(IReadOnlyList<PrefixNode> nodes)
    {
        Length = nodes.Count * _pool.BlockTokens;
        int held = Needed(BlockKind.Chunked, 0);
        for (int i = 0; i < nodes.Count; i++)
        {
            if (_layers.Count(BlockKind.Full) > 0)
            {
                _full.Share(nodes[i].Full);
            }
            if (i >= nodes.Count - held)
            {
                _chunked.Share(nodes[i].Chunked);
            }
        }
    }

    /// <summary>Takes another block with the same content in the place of one that it holds, which goes back.</summary>
    public void Replace(BlockKind kind, int index, int block) => (kind == BlockKind.Chunked ? _chunked : _full).Replace(index, block);

    /// <summary>Gives back what <see cref="Begin"/> took for rows that were not computed.</summary>
    public void Cancel()
    {
        _chunked.Shrink(Needed(BlockKind.Chunked, 0));
        _full.Shrink(Needed(BlockKind.Full, 0));
    }

    /// <summary>Prepares for <paramref name="positions"/> positions, so that steps up to there allocate no managed memory.</summary>
    public void Reserve(int positions)
    {
        _chunked.EnsureCapacity(Blocks(_layers.Held(BlockKind.Chunked, positions)));
        _full.EnsureCapacity(Blocks(positions));
    }

    /// <summary>Forgets everything and gives all blocks back.</summary>
    public void Clear()
    {
        Length = 0;
        Cancel();
    }

    private int Needed(BlockKind kind, int rows) => _layers.Count(kind) == 0 ? 0 : Blocks(LocalPosition(kind) + rows);

    private int Blocks(int positions) => (int)(((long)positions + _pool.BlockTokens - 1) / _pool.BlockTokens);
}
