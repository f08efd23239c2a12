using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Attention;

/// <summary><see cref="PagedAttention"/> on a device.</summary>
internal static class PagedAttentionCuda
{
    internal static readonly KernelOption[] Kernels =
    [
        new("Attention", "attention_split_", "rows that decode: their keys are split among groups"),
        new("Attention", "attention_combine", "after attention_split: folds the splits in their order"),
        new("Attention", "attention_", "several new rows a sequence: eight share the keys that a group reads"),
    ];

    /// <summary>Length of the view over the cache; kernels reach blocks by offsets and do not read it.</summary>
    internal const long PoolElements = 1L << 40;

    private const int FewestSplitKeys = 256;
    private const int MostSplits = 64;
    private const int Octet = 8;
    private const int LargestHead = 256;

    /// <summary>As <see cref="PagedAttention.Run"/>, on a device.</summary>
    /// <exception cref="ArgumentException">Shapes differ, or the cache is another backend's.</exception>
    public static void Run(CudaQueue queue, AttentionScratch scratch, Tensor qkv, AttentionShape shape, KvStep cache, int layer, Tensor output)
    {
        PagedAttention.Check(MemoryPlace.Device, qkv, shape, cache);
        ShapeCheck.Require(output, MemoryPlace.Device, qkv.Rows, shape.QueryColumns, nameof(output));
        ShapeCheck.Require(shape.HeadDim <= LargestHead, "Heads have more than 256 elements.", nameof(shape));
        CudaKvStep step = CudaKvStep.Of(cache);
        int threads = Math.Max(KernelCall.Threads, KernelCall.ThreadsFor(shape.HeadDim));
        if (step.DecodeRows > 0)
        {
            Decode(queue, scratch, step, layer, qkv, shape, output, threads);
        }
        if (step.TileCount > 0)
        {
            Layout(
                Cache(queue.Call(step.PrefillKernel), step, layer, qkv).View(step.Tiles).View(output)
                    .Value(shape.Heads).Value(shape.KvHeads).Value(shape.HeadDim),
                cache.Layout).Run(new(step.TileCount, shape.KvHeads, shape.Heads / shape.KvHeads), threads);
        }
    }

    /// <summary>The layout's numbers, as all kernels on the cache take them.</summary>
    internal static KernelCall Layout(KernelCall call, KvLayout layout) =>
        call.Value(layout.BlockTokens).Value(layout.BlockBytes / layout.ElementBytes).Value(layout.HeadStride).Value(layout.KeyTokenStride).Value(layout.KeyDimStride)
            .Value(layout.ValueOffset).Value(layout.ValueTokenStride);

    /// <summary>Splits of rows with up to so many keys.</summary>
    internal static int Splits(int keys) => (keys + SplitKeys(keys) - 1) / SplitKeys(keys);

    private static void Decode(CudaQueue queue, AttentionScratch scratch, CudaKvStep step, int layer, Tensor qkv, AttentionShape shape, Tensor output, int threads)
    {
        int rows = step.DecodeRows, group = shape.Heads / shape.KvHeads;
        // Longer splits for long contexts: partial results take memory, and 64 splits fill a device.
        int splitKeys = SplitKeys(step.KeyCapacity), splits = Splits(step.KeyCapacity);
        Tensor sums = scratch.Sums.Require(rows * shape.Heads * splits, shape.HeadDim);
        Tensor stats = scratch.Stats.Require(rows * shape.Heads * splits, 2);
        Layout(
            Cache(queue.Call(step.DecodeKernel), step, layer, qkv).View(sums).View(stats)
                .Value(shape.Heads).Value(shape.KvHeads).Value(shape.HeadDim),
            step.Layout).Value(splitKeys).Value(splits).Run(new(rows, shape.KvHeads * ((group + Octet - 1) / Octet), splits), threads);
        queue.Call("attention_combine").View(sums).View(stats).View(step.Positions).View(output).Value(shape.HeadDim).Value(splitKeys).Value(splits)
            .Run(new(rows, shape.Heads), KernelCall.ThreadsFor(shape.HeadDim));
    }

    private static int SplitKeys(int keys) => Math.Max(FewestSplitKeys, keys / MostSplits);

    private static KernelCall Cache(KernelCall call, CudaKvStep step, int layer, Tensor qkv) =>
        call.View(qkv).View(step.Layer(layer), PoolElements).View(step.Tables).View(step.Starts).View(step.Positions);
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
