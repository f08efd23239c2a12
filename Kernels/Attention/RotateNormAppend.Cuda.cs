using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Attention;

/// <summary><see cref="RotateNormAppend"/> on a device.</summary>
internal static class RotateNormAppendCuda
{
    /// <summary>The records, one for each format of the cache.</summary>
    internal static readonly KernelRecords<KvFormat, Launcher> Records = new("RotateNormAndAppend", Record(KvFormat.F32), Record(KvFormat.BF16));

    /// <summary>Puts the launch into a queue; the batch holds the segments.</summary>
    internal delegate void Launcher(CudaQueue queue, KvBatch batch, Tensor qkv, AttentionShape shape, Tensor? angles, float? qkNormEps, Tensor? queryScales, KvLayout layout);

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
        Records.Choose(layout.Format).Launch(queue, batch, qkv, shape, angles, qkNormEps, queryScales, layout);
    }

    private static KernelRecord<KvFormat, Launcher> Record(KvFormat format)
    {
        string kernel = "rotate_norm_append_" + PagedAttentionCuda.Suffix(format);
        return new(
            kernel,
            what => what == format ? null : PagedAttentionCuda.WrongFormat(format),
            "a group per row and head",
            (queue, batch, qkv, shape, angles, qkNormEps, queryScales, layout) =>
                queue.Call(kernel).View(qkv).View(angles).View(queryScales).View(queue.PoolBase, PagedAttentionCuda.PoolElements)
                    .View(queue.PageBase, PagedAttentionCuda.PoolElements).View(batch.Tables).View(batch.Positions).Value(shape.Heads).Value(shape.KvHeads).Value(shape.HeadDim).Value(layout.PageTokens)
                    .Value(qkNormEps ?? -1f).Run(new(qkv.Rows, shape.Heads + 2 * shape.KvHeads), KernelCall.ThreadsFor(shape.HeadDim)));
    }
}
