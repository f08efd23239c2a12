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
    public int KeyCount => FirstCount + (Tokens - 1) * CountStep;
}

/// <summary>
/// Where queries, keys and values lie and how a call is cut. Offsets and strides of keys and values are in elements from a
/// block's start: component c of the key of head h in slot s at KeyOffset + h·HeadStride + s·KeyTokenStride + c·KeyDimStride,
/// of the value at ValueOffset + h·HeadStride + s·ValueTokenStride + c. Block i lies i·BlockBytes behind Blocks.
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

    public required long KeyOffset { get; init; }

    public required long ValueOffset { get; init; }

    public required long HeadStride { get; init; }

    public required long KeyTokenStride { get; init; }

    public required long KeyDimStride { get; init; }

    public required long ValueTokenStride { get; init; }

    /// <summary>Rows (tokens × group) of the largest tile.</summary>
    public required int TileRows { get; init; }

    /// <summary>The block that holds a position.</summary>
    public byte* Block(nint table, int position) => Blocks + ((int*)table)[position / BlockTokens] * BlockBytes;

    /// <summary>Head size rounded up to whole vectors.</summary>
    public int PaddedDim => (HeadDim + 15) & ~15;

    /// <summary>Floats of a softmax state of a tile: accumulator [rows, padded], maximum [rows], sum [rows].</summary>
    public long StateFloats => ((long)TileRows * (PaddedDim + 2) + 15) & ~15L;

    /// <summary>
    /// Floats of a worker's workspace: queries [rows, padded], scores [rows, 64], transposed keys [d, 64], values
    /// [64, padded], and two states.
    /// </summary>
    public long WorkerFloats => (long)TileRows * (PaddedDim + AttentionCore.BlockKeys)
        + 2L * AttentionCore.BlockKeys * PaddedDim + 2 * StateFloats;
}

/// <summary>Softmax state of the rows of a tile over some of the keys.</summary>
internal readonly unsafe struct AttentionState(float* start, int rows, int paddedDim)
{
    /// <summary>Unnormalised weighted sum of values [rows, padded].</summary>
    public float* Sum { get; } = start;

    /// <summary>Largest score [rows].</summary>
    public float* Maximum { get; } = start + (long)rows * paddedDim;

    /// <summary>Sum of exponentials [rows].</summary>
    public float* Weight { get; } = start + (long)rows * (paddedDim + 1);
}
