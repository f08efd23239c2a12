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
    /// <summary>Fills the rows of <paramref name="output"/> that the step's segments cover.</summary>
    /// <exception cref="ArgumentException">Shapes differ, or the cache is another backend's.</exception>
    public static void Run(ThreadTeam team, CpuScratch scratch, AttentionForms forms, Tensor qkv, AttentionShape shape, KvStep cache, int layer, Tensor output)
    {
        Check(MemoryPlace.Host, qkv, shape, cache);
        ShapeCheck.Require(output, MemoryPlace.Host, qkv.Rows, shape.QueryColumns, nameof(output));
        RunCpu(team, scratch, qkv, shape, CpuKvStep.Of(cache), layer, output, forms.For(cache.Layout));
    }

    /// <summary>Checks what attention and the cache writer have in common.</summary>
    internal static void Check(MemoryPlace place, Tensor qkv, AttentionShape shape, KvStep cache)
    {
        if (shape.HeadDim < 1 || shape.KvHeads < 1 || shape.Heads < 1 || shape.Heads % shape.KvHeads != 0)
        {
            throw new ArgumentException($"{shape}: query heads must be a multiple of key/value heads.", nameof(shape));
        }
        if (cache.Layout.KvHeads != shape.KvHeads || cache.Layout.HeadDim != shape.HeadDim)
        {
            throw new ArgumentException($"{cache.Layout} does not hold the keys of {shape}.", nameof(cache));
        }
        ShapeCheck.Require(qkv, place, cache.Rows, shape.QkvColumns, nameof(qkv));
    }
}
