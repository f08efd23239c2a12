using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Attention;

internal static partial class RotateNormAppend
{
    internal static readonly KernelOption[] Kernels = [KernelOption.Only("RotateNormAndAppend", "rotate_norm_append_", "a group per row and head; the suffix is the cache's format")];

    /// <summary>As the overload for the CPU, on a device.</summary>
    /// <exception cref="ArgumentException">Shapes differ, the head size is odd, or a segment lies outside the batch.</exception>
    public static void Run(CudaQueue queue, KvBatch batch, Tensor qkv, AttentionShape shape, Tensor? angles, float? qkNormEps, Tensor? queryScales, KvLayout layout, ReadOnlySpan<KvSegment> segments)
    {
        Check(qkv, shape, angles, queryScales, layout, segments);
        if (qkv.Rows == 0)
        {
            return;
        }
        batch.Set(qkv.Rows, layout, segments);
        queue.Call("rotate_norm_append_" + PagedAttention.Suffix(layout)).View(qkv).View(angles).View(queryScales).View(queue.PoolBase, PagedAttention.PoolElements)
            .View(batch.Pages).View(batch.Tables).View(batch.Positions).Value(shape.Heads).Value(shape.KvHeads).Value(shape.HeadDim).Value(layout.PageTokens)
            .Value(qkNormEps ?? -1f).Run(new(qkv.Rows, shape.Heads + 2 * shape.KvHeads), KernelCall.ThreadsFor(shape.HeadDim));
    }
}
