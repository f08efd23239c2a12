namespace Llama4Kernels.Kernels.Contracts;

/// <summary>Element type of cached keys and values.</summary>
public enum KvFormat
{
    /// <summary>float32: the reference mode.</summary>
    F32,

    /// <summary>bfloat16: half the memory, the default of the fast mode.</summary>
    BF16,
}

/// <summary>
/// Shape of one KV cache page: <paramref name="PageTokens"/> positions of one layer, keys first
/// [KvHeads, HeadDim, PageTokens] (a vector lane of scores is a position), then values [KvHeads, PageTokens, HeadDim].
/// </summary>
/// <param name="PageTokens">Positions a page holds.</param>
/// <param name="KvHeads">Key/value heads K.</param>
/// <param name="HeadDim">Head size d.</param>
/// <param name="Format">Element type.</param>
public readonly record struct KvLayout(int PageTokens, int KvHeads, int HeadDim, KvFormat Format)
{
    /// <summary>Bytes of one element.</summary>
    public int ElementBytes => Format == KvFormat.F32 ? 4 : 2;

    /// <summary>Bytes of one page (keys and values of one layer).</summary>
    public long PageBytes => 2L * KvHeads * PageTokens * HeadDim * ElementBytes;
}

/// <summary>
/// Consecutive rows of a batch that belong to one sequence. Cached positions are local: counted from the first position
/// the layer may see (the chunk's start on chunked layers, 0 on full ones). Local position s lies in page
/// s / PageTokens, slot s % PageTokens. Row i attends to local positions 0 … LocalPosition + i.
/// </summary>
/// <param name="FirstRow">First row in the batch.</param>
/// <param name="Rows">Number of rows.</param>
/// <param name="LocalPosition">Local position of the first row.</param>
/// <param name="PageTable">Host address of the page table: one backend address (nint) per page, in order.</param>
public readonly record struct KvSegment(int FirstRow, int Rows, int LocalPosition, nint PageTable);

/// <summary>Head counts of an attention block. A row of fused projections is [H·d | K·d | K·d]: query, key, value.</summary>
/// <param name="Heads">Query heads H, a multiple of K.</param>
/// <param name="KvHeads">Key/value heads K.</param>
/// <param name="HeadDim">Head size d.</param>
public readonly record struct AttentionShape(int Heads, int KvHeads, int HeadDim)
{
    /// <summary>Columns of a fused q|k|v row: (H + 2K)·d.</summary>
    public int QkvColumns => (Heads + 2 * KvHeads) * HeadDim;

    /// <summary>Columns of the query part and of the attention output: H·d.</summary>
    public int QueryColumns => Heads * HeadDim;
}
