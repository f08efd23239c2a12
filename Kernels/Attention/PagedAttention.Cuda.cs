using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Attention;

/// <summary><see cref="PagedAttention"/> on a device.</summary>
internal static class PagedAttentionCuda
{
    internal static readonly KernelOption[] Kernels =
    [
        new("Attention", "attention_split_", "one new row a sequence: its keys are split among groups"),
        new("Attention", "attention_combine", "after attention_split: folds the splits in their order"),
        new("Attention", "attention_", "several new rows a sequence: eight share the keys that a group reads"),
    ];

    /// <summary>Length of the view over the cache; kernels reach pages by offsets and do not read it.</summary>
    internal const long PoolElements = 1L << 40;

    private const int FewestSplitKeys = 256;
    private const int MostSplits = 64;
    private const int Octet = 8;
    private const int LargestHead = 256;

    /// <summary>As <see cref="PagedAttention.Run"/>, on a device.</summary>
    /// <exception cref="ArgumentException">Shapes differ or a segment lies outside the batch.</exception>
    public static void Run(CudaQueue queue, KvBatch batch, AttentionScratch scratch, Tensor qkv, AttentionShape shape, KvLayout layout, ReadOnlySpan<KvSegment> segments, Tensor output)
    {
        PagedAttention.Check(MemoryPlace.Device, qkv, shape, layout, segments);
        ShapeCheck.Require(output, MemoryPlace.Device, qkv.Rows, shape.QueryColumns, nameof(output));
        ShapeCheck.Require(shape.HeadDim <= LargestHead, "Heads have more than 256 elements.", nameof(shape));
        if (qkv.Rows == 0)
        {
            return;
        }
        if (!batch.Holds(segments))
        {
            batch.Set(qkv.Rows, layout, segments);
        }
        int threads = Math.Max(KernelCall.Threads, KernelCall.ThreadsFor(shape.HeadDim));
        int group = shape.Heads / shape.KvHeads;
        if (!batch.IsDecode)
        {
            DeviceView tiles = batch.Tiles(out int count);
            Cache(queue.Call(layout.Format == KvFormat.F32 ? "attention_f32" : "attention_bf16"), queue, batch, qkv).View(tiles).View(output)
                .Value(shape.Heads).Value(shape.KvHeads).Value(shape.HeadDim).Value(layout.PageTokens).Run(new(count, shape.KvHeads, group), threads);
            return;
        }
        // Longer splits for long contexts: partial results take memory, and 64 splits fill a device.
        int splitKeys = SplitKeys(batch.KeyCapacity), splits = Splits(batch.KeyCapacity);
        Tensor sums = scratch.Sums.Require(qkv.Rows * shape.Heads * splits, shape.HeadDim);
        Tensor stats = scratch.Stats.Require(qkv.Rows * shape.Heads * splits, 2);
        Cache(queue.Call(layout.Format == KvFormat.F32 ? "attention_split_f32" : "attention_split_bf16"), queue, batch, qkv).View(sums).View(stats)
            .Value(shape.Heads).Value(shape.KvHeads).Value(shape.HeadDim).Value(layout.PageTokens).Value(splitKeys).Value(splits)
            .Run(new(qkv.Rows, shape.KvHeads * ((group + Octet - 1) / Octet), splits), threads);
        queue.Call("attention_combine").View(sums).View(stats).View(batch.Positions).View(output).Value(shape.HeadDim).Value(splitKeys).Value(splits)
            .Run(new(qkv.Rows, shape.Heads), KernelCall.ThreadsFor(shape.HeadDim));
    }

    /// <summary>Splits of rows with up to so many keys.</summary>
    internal static int Splits(int keys) => (keys + SplitKeys(keys) - 1) / SplitKeys(keys);

    private static int SplitKeys(int keys) => Math.Max(FewestSplitKeys, keys / MostSplits);

    private static KernelCall Cache(KernelCall call, CudaQueue queue, KvBatch batch, Tensor qkv) =>
        call.View(qkv).View(queue.PoolBase, PoolElements).View(batch.Pages).View(batch.Tables).View(batch.Positions);
}

/// <summary>Partial results of split attention.</summary>
internal sealed class AttentionScratch(CudaQueue queue) : IDisposable
{
    public CudaScratch Sums { get; } = new(queue);

    public CudaScratch Stats { get; } = new(queue);

    /// <summary>Bytes for rows with up to so many keys.</summary>
    public static long Bytes(int rows, AttentionShape shape, int keys) =>
        (long)rows * shape.Heads * PagedAttentionCuda.Splits(keys) * (shape.HeadDim + 2) * sizeof(float);

    public void Dispose()
    {
        Sums.Dispose();
        Stats.Dispose();
    }
}
