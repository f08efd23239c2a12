namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// How a tile of queries attends to the keys of one key/value head, split by split. <see cref="TiledAttention"/> shares tiles and
/// splits out and folds the states of splits in their order.
/// </summary>
internal unsafe interface IAttentionForm
{
    /// <summary>Tokens of a tile when each key/value head serves <paramref name="group"/> query heads.</summary>
    static abstract int TileTokens(int group);

    /// <summary>Keys of a split, the unit of parallel work when there are few queries.</summary>
    static abstract int SplitKeys(in AttentionPlan plan);

    /// <summary>Floats of a worker's workspace beside its states.</summary>
    static abstract long WorkFloats(in AttentionPlan plan);

    /// <summary>Brings the queries of a tile into a workspace.</summary>
    static abstract void LoadQueries(in AttentionPlan plan, in AttentionTile tile, int kvHead, float* work);

    /// <summary>The state of all rows of the tile over the keys of one split.</summary>
    /// <param name="plan">Layout.</param>
    /// <param name="tile">The queries.</param>
    /// <param name="kvHead">Key/value head.</param>
    /// <param name="split">Split number: keys split·<see cref="SplitKeys"/> ….</param>
    /// <param name="work">Workspace with the queries.</param>
    /// <param name="state">Receives the state.</param>
    /// <param name="next">Keys that are likely to be read next, or null.</param>
    static abstract void Split(in AttentionPlan plan, in AttentionTile tile, int kvHead, int split, float* work, AttentionState state, byte* next);

    /// <summary>Where the first keys of a tile lie, to be asked for ahead.</summary>
    static abstract byte* FirstKeys(in AttentionPlan plan, in AttentionTile tile, int kvHead);
}
