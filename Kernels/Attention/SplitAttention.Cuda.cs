using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// <see cref="PagedAttention"/> of rows that decode, on a device's tensor cores: queries and weights are rounded to bfloat16, sums are
/// float32. A row's keys are cut into ranges, 16 to 64 at most by the rows of the step, each a block's; the cache is read once.
/// </summary>
internal static class SplitAttentionCuda
{
    /// <summary>The records, one for each size of pages.</summary>
    internal static readonly KernelRecord<AttentionCase, PagedAttentionCuda.Launcher>[] Records = [.. CacheTilePtx.PageSizes.Select(Record)];

    private static KernelRecord<AttentionCase, PagedAttentionCuda.Launcher> Record(int pageTokens)
    {
        string kernel = SplitAttentionPtx.Name(pageTokens);
        return new(
            kernel,
            new TensorAttentionCases(isDecode: true, pageTokens, SplitAttentionPtx.MostHeads, SplitAttentionPtx.FirstSm, SplitAttentionPtx.SharedBytes).WhyNot,
            $"one new row a sequence, heads of {SplitAttentionPtx.HeadDim} in pages of {pageTokens} positions: on tensor cores, {SplitAttentionPtx.BytesInFlight / 1024} KB under way a block",
            (queue, scratch, qkv, shape, step, layer, output) =>
            {
                int rows = step.DecodeRows, splits = PagedAttentionCuda.SplitGroups(rows, shape, queue.Kernels.Limits);
                Tensor sums = scratch.Sums.Require(rows * shape.Heads * PagedAttentionCuda.MostSplits, shape.HeadDim);
                Tensor stats = scratch.Stats.Require(rows * shape.Heads * PagedAttentionCuda.MostSplits, 2);
                queue.Call(kernel).View(qkv).View(step.Layer(layer), PagedAttentionCuda.PoolElements).View(step.Tables).View(step.Starts).View(step.Positions).View(sums).View(stats)
                    .Value(shape.Heads / shape.KvHeads).Value(shape.KvHeads).Value((int)step.Layout.BlockBytes).Value(PagedAttentionCuda.FewestSplitKeys).Value(splits)
                    .Run(new(rows, shape.KvHeads, splits));
                PagedAttentionCuda.Combine(queue, sums, stats, shape, step, splits, output);
            });
    }
}
