using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// <see cref="PagedAttention"/> of several rows of a sequence, on a device's tensor cores: queries and weights are rounded to bfloat16, sums are
/// float32. What a row gives depends on its own keys alone, whatever else is in the step.
/// </summary>
internal static class PrefillAttentionCuda
{
    /// <summary>The records, one for each size of pages.</summary>
    internal static readonly KernelRecord<AttentionCase, PagedAttentionCuda.Launcher>[] Records = [.. CacheTilePtx.PageSizes.Select(Record)];

    private static KernelRecord<AttentionCase, PagedAttentionCuda.Launcher> Record(int pageTokens)
    {
        string kernel = PrefillAttentionPtx.Name(pageTokens);
        return new(
            kernel,
            new TensorAttentionCases(isDecode: false, pageTokens, PrefillAttentionPtx.MostHeads, PrefillAttentionPtx.FirstSm, PrefillAttentionPtx.SharedBytes).WhyNot,
            $"several new rows a sequence, heads of {PrefillAttentionPtx.HeadDim} in pages of {pageTokens} positions: on tensor cores, the heads of {PrefillAttentionPtx.TileRows} rows share the keys that a block reads",
            (queue, _, qkv, shape, step, layer, output) =>
                PagedAttentionCuda.Cache(queue.Call(kernel), step, layer, qkv).View(step.Runs).View(output).Value(shape.Heads / shape.KvHeads).Value(shape.KvHeads).Value((int)step.Layout.BlockBytes)
                    .Run(new(step.RunCount, shape.KvHeads)));
    }
}
