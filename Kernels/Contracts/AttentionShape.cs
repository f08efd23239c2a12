namespace Llama4Kernels.Kernels.Contracts;

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
