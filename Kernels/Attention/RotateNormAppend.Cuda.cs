using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Attention;

/// <summary><see cref="RotateNormAppend"/> on a device.</summary>
internal static class RotateNormAppendCuda
{
    internal static readonly KernelOption[] Kernels = [new("RotateNormAndAppend", "rotate_norm_append_", "a group per row and head; the suffix is the cache's format")];

    /// <summary>As <see cref="RotateNormAppend.Run"/>, on a device.</summary>
    /// <exception cref="ArgumentException">Shapes differ, the head size is odd, or the cache is another backend's.</exception>
    public static void Run(CudaQueue queue, Tensor qkv, AttentionShape shape, Tensor? angles, float? qkNormEps, Tensor? queryScales, KvStep cache, int layer)
    {
        RotateNormAppend.Check(MemoryPlace.Device, qkv, shape, angles, queryScales, cache);
        if (qkv.Rows == 0)
        {
            return;
        }
        CudaKvStep step = CudaKvStep.Of(cache);
        PagedAttentionCuda.Layout(
            queue.Call(step.AppendKernel).View(qkv).View(angles).View(queryScales).View(cache.Layer(layer), PagedAttentionCuda.PoolElements)
                .View(step.Tables).View(step.Starts).View(step.Positions).Value(shape.Heads).Value(shape.KvHeads).Value(shape.HeadDim),
            cache.Layout).Value(qkNormEps ?? -1f).Run(new(qkv.Rows, shape.Heads + 2 * shape.KvHeads), KernelCall.ThreadsFor(shape.HeadDim));
    }
}
