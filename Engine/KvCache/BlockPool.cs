using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.KvCache;

/// <summary>
/// The memory of all cached keys and values, of one size for its whole life, in blocks of some positions. A block spans the
/// layers of a kind and is counted by its references. Blocks of chunked layers are taken from the front of the memory and those
/// of full layers from its end, so that either kind may use what the other does not. Thread-safe.
/// </summary>
internal sealed class BlockPool : IDisposable
{
    private readonly Lock _gate = new();
    private readonly CacheLayers _layers;
    private readonly DeviceMemory _memory;
    private readonly KvLayout?[] _layouts = new KvLayout?[2];
    private readonly BlockList[] _lists = [new(), new()];
    private readonly int[] _capacity = new int[2];

    /// <summary>Takes the memory from a backend, which supplies its pages as they are used where it can.</summary>
    /// <param name="backend">Where it lies, and who chooses the layout.</param>
    /// <param name="config">The model's layers.</param>
    /// <param name="format">Element type.</param>
    /// <param name="blockTokens">Most positions of a block: the largest divisor of the attention chunk is taken that is no more.</param>
    /// <param name="bytes">The budget: more is never used.</param>
    /// <exception cref="ArgumentException">The budget holds no block of each kind.</exception>
    public BlockPool(IBackend backend, TextConfig config, KvFormat format, int blockTokens, long bytes)
    {
        _layers = new CacheLayers(config);
        blockTokens = _layers.BlockTokens(blockTokens);
        foreach (BlockKind kind in Enum.GetValues<BlockKind>())
        {
            _layouts[(int)kind] = LayoutOf(backend.LayoutOf, config, _layers, kind, format, blockTokens);
        }
        Check(config, backend.LayoutOf, format, blockTokens, bytes);
        BlockTokens = blockTokens;
        Bytes = bytes & -KvLayout.Alignment;
        _memory = backend.Allocate(Bytes);
        for (int kind = 0; kind < _layouts.Length; kind++)
        {
            _capacity[kind] = _layouts[kind] is KvLayout layout ? (int)Math.Min(int.MaxValue, Bytes / layout.BlockBytes) : 0;
        }
    }

    /// <summary>Positions of a block. A chunk has a whole number of them, so that no block straddles its edge and both kinds of layers have the same.</summary>
    public int BlockTokens { get; }

    /// <summary>The budget.</summary>
    public long Bytes { get; }

    /// <summary>Bytes of blocks in use.</summary>
    public long UsedBytes
    {
        get
        {
            lock (_gate)
            {
                return Size(BlockKind.Chunked) * _lists[0].Used + Size(BlockKind.Full) * _lists[1].Used;
            }
        }
    }

    /// <summary>Most blocks, and most bytes of blocks, that were ever in use.</summary>
    public (int Blocks, long Bytes) Peak
    {
        get
        {
            lock (_gate)
            {
                return field;
            }
        }

        private set;
    }

    internal CacheLayers Layers => _layers;

    /// <summary>What the constructor demands of a budget.</summary>
    /// <exception cref="ArgumentException">It holds no block of each kind.</exception>
    internal static void Check(TextConfig config, BackendLayout choose, KvFormat format, int blockTokens, long bytes)
    {
        long least = BytesFor(config, choose, format, blockTokens, 1);
        if (bytes < least)
        {
            throw new ArgumentException($"A cache of {bytes:N0} bytes holds no block of {new CacheLayers(config).BlockTokens(blockTokens)} tokens; at least {least:N0} are needed.", nameof(bytes));
        }
    }

    /// <summary>Bytes that the blocks of a sequence of so many positions take.</summary>
    internal static long BytesFor(TextConfig config, BackendLayout choose, KvFormat format, int blockTokens, int positions)
    {
        var layers = new CacheLayers(config);
        blockTokens = layers.BlockTokens(blockTokens);
        return Enum.GetValues<BlockKind>().Sum(kind => LayoutOf(choose, config, layers, kind, format, blockTokens) is KvLayout layout
            ? layout.BlockBytes * layout.Blocks(layers.Held(kind, positions))
            : 0);
    }

    /// <summary>Blocks of a kind in use.</summary>
    public int UsedBlocks(BlockKind kind)
    {
        lock (_gate)
        {
            return _lists[(int)kind].Used;
        }
    }

    /// <summary>Blocks of a kind that are free among those in use: what can be taken of it and not of the other kind.</summary>
    internal int FreeBlocks(BlockKind kind)
    {
        lock (_gate)
        {
            return _lists[(int)kind].Free;
        }
    }

    /// <summary>References to a block; 0 if it is not in use.</summary>
    internal int References(BlockKind kind, int block)
    {
        lock (_gate)
        {
            return _lists[(int)kind][Number(kind, block)];
        }
    }

    /// <summary>Whether a sequence of so many positions fits if nothing else is in use.</summary>
    internal bool Fits(int positions) => BytesOf(positions) <= Bytes;

    /// <summary>Most bytes that the blocks of a sequence take at once on its way to so many positions: at its end, or at that of its last whole chunk.</summary>
    internal long BytesOf(int positions)
    {
        if (_layers.Chunk is not int chunk)
        {
            return At(positions, positions);
        }
        int whole = positions / chunk * chunk;
        return Math.Max(At(whole > 0 ? chunk : 0, whole), At(positions - whole, positions));

        long At(int chunked, int full) => Bytes(BlockKind.Chunked, chunked) + Bytes(BlockKind.Full, full);

        long Bytes(BlockKind kind, int held) => _layouts[(int)kind] is KvLayout layout ? layout.BlockBytes * layout.Blocks(held) : 0;
    }

    /// <summary>Whether so many blocks of each kind could be taken now.</summary>
    public bool HasRoom(int chunked, int full)
    {
        lock (_gate)
        {
            long bytes = Size(BlockKind.Chunked) * Math.Max(0, chunked - _lists[0].Free) + Size(BlockKind.Full) * Math.Max(0, full - _lists[1].Free);
            return bytes <= Gap;
        }
    }

    /// <summary>Whether so many blocks of each kind might be taken if so many bytes of others were given back.</summary>
    internal bool MightHaveRoom(int chunked, int full, long givenBack)
    {
        lock (_gate)
        {
            return Size(BlockKind.Chunked) * (chunked + _lists[0].Used) + Size(BlockKind.Full) * (full + _lists[1].Used) <= Bytes + givenBack;
        }
    }

    /// <summary>Bytes of a block of a kind; 0 if the model has no such layers.</summary>
    internal long BlockBytes(BlockKind kind) => Size(kind);

    /// <summary>Takes a block with one reference; its content is undefined.</summary>
    /// <returns>Its number among the blocks of the kind, as <see cref="CreateStep"/> counts them.</returns>
    /// <exception cref="CacheFullException">There is none.</exception>
    public int Take(BlockKind kind)
    {
        lock (_gate)
        {
            BlockList list = _lists[(int)kind];
            if (list.Free == 0 && Size(kind) > Gap)
            {
                throw new CacheFullException(UsedBytes, Bytes);
            }
            int block = list.Take();
            Peak = (Math.Max(Peak.Blocks, _lists[0].Used + _lists[1].Used), Math.Max(Peak.Bytes, UsedBytes));
            return Number(kind, block);
        }
    }

    /// <summary>Counts another reference to a block.</summary>
    /// <exception cref="InvalidOperationException">The block is not in use.</exception>
    public void Reference(BlockKind kind, int block)
    {
        lock (_gate)
        {
            _lists[(int)kind].Reference(Number(kind, block));
        }
    }

    /// <summary>Takes a reference away; a block without any is free.</summary>
    /// <exception cref="InvalidOperationException">The block is not in use.</exception>
    public void Release(BlockKind kind, int block)
    {
        lock (_gate)
        {
            _lists[(int)kind].Release(Number(kind, block));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    /// <summary>What steps read the blocks of a kind by; null if the model has no such layers.</summary>
    internal KvStep? CreateStep(IBackend backend, BlockKind kind)
    {
        if (_layouts[(int)kind] is not KvLayout layout)
        {
            return null;
        }
        // Full blocks are counted from the place that leaves no rest at the end.
        long first = kind == BlockKind.Full ? Bytes - _capacity[(int)kind] * layout.BlockBytes : 0;
        return backend.CreateKvStep(layout, _memory, first, _capacity[(int)kind]);
    }

    /// <summary><see cref="IBackend.LayoutOf"/> of a backend, or of one that is to be.</summary>
    internal delegate KvLayout BackendLayout(int blockTokens, int layers, AttentionShape shape, KvFormat format);

    private static KvLayout? LayoutOf(BackendLayout choose, TextConfig config, CacheLayers layers, BlockKind kind, KvFormat format, int blockTokens) =>
        layers.Count(kind) is > 0 and int count ? choose(blockTokens, count, new AttentionShape(config.Heads, config.KvHeads, config.HeadDim), format) : null;

    /// <summary>Bytes that neither kind's blocks have reached.</summary>
    private long Gap => Bytes - Size(BlockKind.Chunked) * _lists[0].End - Size(BlockKind.Full) * _lists[1].End;

    private long Size(BlockKind kind) => _layouts[(int)kind]?.BlockBytes ?? 0;

    /// <summary>Full blocks are listed from the last one backwards; the same turn leads back.</summary>
    private int Number(BlockKind kind, int block) => kind == BlockKind.Full ? _capacity[(int)kind] - 1 - block : block;
}
