using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Attention;

/// <summary><see cref="RotateNormAppend"/> on a device.</summary>
internal static class RotateNormAppendCuda
{
    internal static readonly KernelOption[] Kernels = [new("RotateNormAndAppend", "rotate_norm_append_", "a group per row and head; the suffix is the cache's format")];

    /// <summary>As <see cref="RotateNormAppend.Run"/>, on a device.</summary>
    /// <exception cref="ArgumentException">Shapes differ, the head size is odd, or a segment lies outside the batch.</exception>
    public static void Run(CudaQueue queue, KvBatch batch, Tensor qkv, AttentionShape shape, Tensor? angles, float? qkNormEps, Tensor? queryScales, KvLayout layout, ReadOnlySpan<KvSegment> segments)
    {
        RotateNormAppend.Check(MemoryPlace.Device, qkv, shape, angles, queryScales, layout, segments);
        if (qkv.Rows == 0)
        {
            return;
        }
        batch.Set(qkv.Rows, layout, segments);
        queue.Call(layout.Format == KvFormat.F32 ? "rotate_norm_append_f32" : "rotate_norm_append_bf16").View(qkv).View(angles).View(queryScales).View(queue.PoolBase, PagedAttentionCuda.PoolElements)
            .View(batch.Pages).View(batch.Tables).View(batch.Positions).Value(shape.Heads).Value(shape.KvHeads).Value(shape.HeadDim).Value(layout.PageTokens)
            .Value(qkNormEps ?? -1f).Run(new(qkv.Rows, shape.Heads + 2 * shape.KvHeads), KernelCall.ThreadsFor(shape.HeadDim));
    }
}
