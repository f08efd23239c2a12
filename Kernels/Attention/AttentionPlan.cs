using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Consecutive query tokens of one sequence that are worked on together. Token t of the tile sees keys
/// 0 … FirstCount + t·CountStep − 1.
/// </summary>
/// <param name="Row">First row in the batch.</param>
/// <param name="Tokens">Tokens in the tile.</param>
/// <param name="FirstCount">Keys the first token sees, at least 1.</param>
/// <param name="CountStep">1 for causal attention, 0 when all tokens see the same keys.</param>
/// <param name="Table">Host address of the block table.</param>
internal readonly record struct AttentionTile(int Row, int Tokens, int FirstCount, int CountStep, nint Table)
{
    /// <summary>Keys the last token sees.</summary>
    public int KeyCount => Visible(Tokens - 1);

    /// <summary>Keys a token sees.</summary>
    public int Visible(int token) => FirstCount + token * CountStep;
}

/// <summary>
/// Where queries, keys and values lie and how a call is cut. Offsets and strides of keys and values are in elements from a
/// block's start: component c of the key of head h in slot s at KeyOffset + h·HeadStride + s·KeyTokenStride + c·KeyDimStride,
/// of the value at ValueOffset + h·HeadStride + s·ValueTokenStride + c; in pairs as <see cref="KvLayout"/> has it. Block i lies
/// i·BlockBytes behind Blocks.
/// </summary>
internal readonly unsafe struct AttentionPlan
{
    public required float* Queries { get; init; }

    public required int QueryColumns { get; init; }

    public required float* Output { get; init; }

    public required int OutputColumns { get; init; }

    public required int KvHeads { get; init; }

    /// <summary>Query heads per key/value head.</summary>
    public required int Group { get; init; }

    public required int HeadDim { get; init; }

    public required int BlockTokens { get; init; }

    public required byte* Blocks { get; init; }

    public required long BlockBytes { get; init; }

    public required long HeadStride { get; init; }

    public long KeyOffset { get; init; }

    public long ValueOffset { get; init; }

    public long KeyTokenStride { get; init; }

    public long KeyDimStride { get; init; }

    public long ValueTokenStride { get; init; }

    /// <summary>Where a head's keys lie in pairs.</summary>
    public KvPanels KeyPanels { get; init; }

    /// <summary>Where a head's values lie in pairs.</summary>
    public KvPanels ValuePanels { get; init; }

    /// <summary>Rows (tokens × group) of the largest tile.</summary>
    public required int TileRows { get; init; }

    /// <summary>The block that holds a position.</summary>
    public byte* Block(nint table, int position) => Blocks + ((int*)table)[position / BlockTokens] * BlockBytes;

    /// <summary>Keys and values in pairs of a head in the block that holds a position.</summary>
    public byte* Head(nint table, int position, int kvHead) => Block(table, position) + kvHead * HeadStride * sizeof(ushort);

    /// <summary>1/√d</summary>
    public float Scale => (float)(1.0 / Math.Sqrt(HeadDim));

    /// <summary>Head size rounded up to whole vectors.</summary>
    public int PaddedDim => (HeadDim + 15) & ~15;

    /// <summary>Floats of a softmax state of a tile: accumulator [rows, padded], maximum [rows], sum [rows].</summary>
    public long StateFloats => ((long)TileRows * (PaddedDim + 2) + 15) & ~15L;

    /// <summary>The first of the query heads that share a key/value head, of a row.</summary>
    public float* Query(int row, int kvHead) => Queries + (long)row * QueryColumns + (long)kvHead * Group * HeadDim;
}
