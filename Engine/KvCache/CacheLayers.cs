using Llama4Kernels.Engine.Config;

namespace Llama4Kernels.Engine.KvCache;

/// <summary>What a layer's cached positions depend on.</summary>
internal enum BlockKind
{
    /// <summary>Layers that see only their chunk and keep only that.</summary>
    Chunked,

    /// <summary>Layers that see and keep everything.</summary>
    Full,
}

/// <summary>Which kind of block holds each layer's keys and values, and where in it.</summary>
internal sealed class CacheLayers
{
    private readonly (BlockKind Kind, int Index)[] _places;
    private readonly int[] _counts = new int[2];

    public CacheLayers(TextConfig config)
    {
        Chunk = config.AttentionChunkSize;
        _places = [.. config.LayerKinds.Select(layer => layer.IsChunked && Chunk is not null ? BlockKind.Chunked : BlockKind.Full).Select(kind => (kind, _counts[(int)kind]++))];
    }

    /// <summary>Positions of a chunk; null if there are none.</summary>
    public int? Chunk { get; }

    /// <summary>The kind of a layer's blocks, and its place among the layers that they span.</summary>
    public (BlockKind Kind, int Index) this[int layer] => _places[layer];

    /// <summary>Layers that a block of the kind spans; 0 if the model has none.</summary>
    public int Count(BlockKind kind) => _counts[(int)kind];

    /// <summary>Positions of a block that is to have so many: the largest divisor of a chunk that is no more.</summary>
    public int BlockTokens(int wanted)
    {
        if (Chunk is int chunk)
        {
            wanted = Math.Min(wanted, chunk);
            while (chunk % wanted != 0)
            {
                wanted--;
            }
        }
        return wanted;
    }

    /// <summary>Positions that layers of a kind hold of a sequence of so many.</summary>
    public int Held(BlockKind kind, int positions) => kind == BlockKind.Chunked && Chunk is int chunk ? Math.Min(positions, chunk) : positions;
}
