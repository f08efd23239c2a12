using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Causal grouped-query attention over a paged cache. qkv [T, (H+2K)·d] (only the query part is read), output [T, H·d]; row i
/// of a segment sees local positions 0 … LocalPosition + i. 4·H·d FLOPs per query row and key; the cache is read once per
/// tile of rows. The result of a row does not depend on the other rows of the batch or on the number of threads.
/// </summary>
internal static partial class PagedAttention
{
    /// <summary>Fills the rows of <paramref name="output"/> that segments cover.</summary>
    /// <exception cref="ArgumentException">Shapes differ or a segment lies outside the batch.</exception>
    public static void Run(ThreadTeam team, CpuScratch scratch, Tensor qkv, AttentionShape shape, KvLayout layout, ReadOnlySpan<KvSegment> segments, Tensor output)
    {
        Check(MemoryPlace.Host, qkv, shape, layout, segments);
        ShapeCheck.Require(output, MemoryPlace.Host, qkv.Rows, shape.QueryColumns, nameof(output));
        RunCpu(team, scratch, qkv, shape, layout, segments, output);
    }

    /// <summary>Checks what attention and the cache writer have in common.</summary>
    internal static void Check(MemoryPlace place, Tensor qkv, AttentionShape shape, KvLayout layout, ReadOnlySpan<KvSegment> segments)
    {
        if (shape.HeadDim < 1 || shape.KvHeads < 1 || shape.Heads < 1 || shape.Heads % shape.KvHeads != 0)
        {
            throw new ArgumentException($"{shape}: query heads must be a multiple of key/value heads.", nameof(shape));
        }
        if (layout.KvHeads != shape.KvHeads || layout.HeadDim != shape.HeadDim || layout.PageTokens < 1)
        {
            throw new ArgumentException($"{layout} does not hold the keys of {shape}.", nameof(layout));
        }
        ShapeCheck.Require(qkv, place, qkv.Rows, shape.QkvColumns, nameof(qkv));
        foreach (KvSegment segment in segments)
        {
            if (segment.FirstRow < 0 || segment.Rows < 0 || segment.FirstRow > qkv.Rows - segment.Rows
                || segment.LocalPosition < 0 || segment.LocalPosition > int.MaxValue - segment.Rows || (segment.PageTable == 0 && segment.Rows > 0))
            {
                throw new ArgumentException($"{segment} does not fit a batch of {qkv.Rows} rows or has no pages.", nameof(segments));
            }
        }
    }
}
