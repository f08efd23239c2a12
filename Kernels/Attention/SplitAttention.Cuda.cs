using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Quantization;

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
                (Tensor sums, Tensor stats, int splits) = Split(queue, scratch, kernel, qkv, shape, step, layer);
                PagedAttentionCuda.Combine(queue, sums, stats, shape, step, splits, output);
            });
    }

    private static bool IsOwn(string kernel)
    {
        foreach (KernelRecord<AttentionCase, PagedAttentionCuda.Launcher> record in Records)
        {
            if (ReferenceEquals(record.Kernel, kernel))
            {
                return true;
            }
        }
        return false;
    }

    private static (Tensor Sums, Tensor Stats, int Splits) Split(CudaQueue queue, AttentionScratch scratch, string kernel, Tensor qkv, AttentionShape shape, CudaKvStep step, int layer)
    {
        int rows = step.DecodeRows, splits = PagedAttentionCuda.SplitGroups(rows, shape, queue.Kernels.Limits);
        Tensor sums = scratch.Sums.Require(rows * shape.Heads * PagedAttentionCuda.MostSplits, shape.HeadDim);
        Tensor stats = scratch.Stats.Require(rows * shape.Heads * PagedAttentionCuda.MostSplits, 2);
        queue.Call(kernel).View(qkv).View(step.Layer(layer), PagedAttentionCuda.PoolElements).View(step.Tables).View(step.Starts).View(step.Positions).View(sums).View(stats)
            .Value(shape.Heads / shape.KvHeads).Value(shape.KvHeads).Value((int)step.Layout.BlockBytes).Value(PagedAttentionCuda.FewestSplitKeys).Value(splits)
            .Run(new(rows, shape.KvHeads, splits));
        return (sums, stats, splits);
    }

    /// <summary>
    /// Attention of a step whose rows all decode, folded to what products round x to: [rows] of <see cref="Int4Operand"/>. Null, and nothing done, if other
    /// kernels attend.
    /// </summary>
    public static DeviceView? TryRounded(CudaQueue queue, AttentionScratch scratch, Tensor qkv, AttentionShape shape, ActivationPrecision activations, KvStep cache, int layer)
    {
        PagedAttention.Check(MemoryPlace.Device, qkv, shape, cache);
        CudaKvStep step = CudaKvStep.Of(cache);
        if (step.TileCount > 0 || step.DecodeRows != qkv.Rows)
        {
            return null;
        }
        string kernel = PagedAttentionCuda.Records.Choose(new AttentionCase(true, shape, step.Layout, activations, queue.Kernels.Limits)).Kernel;
        if (!IsOwn(kernel))
        {
            return null;
        }
        (Tensor sums, Tensor stats, int splits) = Split(queue, scratch, kernel, qkv, shape, step, layer);
        long bytes = qkv.Rows * Int4Operand.RowBytes(shape.QueryColumns);
        var rounded = new DeviceView(scratch.Rounded.Require(bytes), bytes);
        queue.Call(AttentionFoldPtx.Name).View(sums).View(stats).View(step.Positions).View(rounded).Value(shape.Heads).Value(PagedAttentionCuda.FewestSplitKeys).Value(splits)
            .Run(new(qkv.Rows, shape.Heads));
        return rounded;
    }
}
