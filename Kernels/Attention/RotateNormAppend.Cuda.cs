using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Attention;

/// <summary><see cref="RotateNormAppend"/> on a device.</summary>
internal static class RotateNormAppendCuda
{
    /// <summary>The records, one for each format of the cache.</summary>
    internal static readonly KernelRecords<KvFormat, Launcher> Records = new("RotateNormAndAppend", [.. KvFormats.All.Select(Record)]);

    /// <summary>Puts the launch into a queue.</summary>
    internal delegate void Launcher(CudaQueue queue, Tensor qkv, AttentionShape shape, Tensor? angles, float? qkNormEps, Tensor? queryScales, CudaKvStep step, int layer);

    /// <summary>As <see cref="RotateNormAppend.Run"/>, on a device.</summary>
    /// <exception cref="ArgumentException">Shapes differ, the head size is odd, or the cache is another backend's.</exception>
    public static void Run(CudaQueue queue, Tensor qkv, AttentionShape shape, Tensor? angles, float? qkNormEps, Tensor? queryScales, KvStep cache, int layer)
    {
        RotateNormAppend.Check(MemoryPlace.Device, qkv, shape, angles, queryScales, cache);
        if (qkv.Rows > 0)
        {
            Records.Choose(cache.Layout.Format).Launch(queue, qkv, shape, angles, qkNormEps, queryScales, CudaKvStep.Of(cache), layer);
        }
    }

    private static KernelRecord<KvFormat, Launcher> Record(KvFormat format)
    {
        string kernel = format.KernelName("rotate_norm_append");
        return new(
            kernel,
            what => what == format ? null : PagedAttentionCuda.WrongFormat(format),
            "a group per row and head",
            (queue, qkv, shape, angles, qkNormEps, queryScales, step, layer) => PagedAttentionCuda.Layout(
                queue.Call(kernel).View(qkv).View(angles).View(queryScales).View(step.Layer(layer), PagedAttentionCuda.PoolElements)
                    .View(step.Tables).View(step.Starts).View(step.Positions).Value(shape.Heads).Value(shape.KvHeads).Value(shape.HeadDim),
                step.Layout).Value(qkNormEps ?? -1f).Run(new(qkv.Rows, shape.Heads + 2 * shape.KvHeads), KernelCall.ThreadsFor(shape.HeadDim)));
    }
}
