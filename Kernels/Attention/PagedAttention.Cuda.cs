using System.Numerics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>What the choice of a kernel for attention depends on.</summary>
/// <param name="IsDecode">Rows that decode, one of each sequence.</param>
/// <param name="Shape">Heads.</param>
/// <param name="Layout">The cache.</param>
/// <param name="Activations">What may be made of queries and weights.</param>
/// <param name="Device">The device.</param>
internal readonly record struct AttentionCase(bool IsDecode, AttentionShape Shape, KvLayout Layout, ActivationPrecision Activations, DeviceLimits Device);

/// <summary><see cref="PagedAttention"/> on a device.</summary>
internal static class PagedAttentionCuda
{
    /// <summary>Kernels that follow others.</summary>
    internal static readonly KernelOption[] Kernels = [new("Attention", "attention_combine", "after attention_split: folds the splits in their order")];

    /// <summary>The records: rows that decode and tiles of the other rows of a step each take theirs.</summary>
    internal static readonly KernelRecords<AttentionCase, Launcher> Records = new("Attention", [.. SplitAttentionCuda.Records, .. PrefillAttentionCuda.Records, .. KvFormats.All.Select(Split), .. KvFormats.All.Select(Tiled)]);

    /// <summary>Puts the launches for a step's decoding rows, or for its tiles, into a queue.</summary>
    internal delegate void Launcher(CudaQueue queue, AttentionScratch scratch, Tensor qkv, AttentionShape shape, CudaKvStep step, int layer, Tensor output);

    /// <summary>Length of the views over the cache and block tables; kernels reach both by offsets and do not read it.</summary>
    internal const long PoolElements = 1L << 40;

    /// <summary>Keys of a split of few keys; all rows of a tile end within the same so many.</summary>
    internal const int FewestSplitKeys = 256;

    /// <summary>Most splits of a row.</summary>
    internal const int MostSplits = 64;

    /// <summary>Why a kernel does not take rows of a prompt.</summary>
    internal const string NotDecode = "is for one new row a sequence";

    /// <summary>Why a kernel does not take rows that decode.</summary>
    internal const string NotPrefill = "is for several new rows a sequence";

    private const int FewestGroups = 16;
    private const int GroupsPerProcessor = 4;
    private const int Octet = 8;
    private const int LargestHead = 256;

    /// <summary>As <see cref="PagedAttention.Run"/>, on a device.</summary>
    /// <exception cref="ArgumentException">Shapes differ, or the cache is another backend's.</exception>
    /// <exception cref="NotSupportedException">Heads have more than 256 elements.</exception>
    public static void Run(CudaQueue queue, AttentionScratch scratch, Tensor qkv, AttentionShape shape, ActivationPrecision activations, KvStep cache, int layer, Tensor output)
    {
        PagedAttention.Check(MemoryPlace.Device, qkv, shape, cache);
        ShapeCheck.Require(output, MemoryPlace.Device, qkv.Rows, shape.QueryColumns, nameof(output));
        CudaKvStep step = CudaKvStep.Of(cache);
        if (step.DecodeRows > 0)
        {
            Records.Choose(new AttentionCase(true, shape, step.Layout, activations, queue.Kernels.Limits)).Launch(queue, scratch, qkv, shape, step, layer, output);
        }
        if (step.TileCount > 0)
        {
            Records.Choose(new AttentionCase(false, shape, step.Layout, activations, queue.Kernels.Limits)).Launch(queue, scratch, qkv, shape, step, layer, output);
        }
    }

    /// <summary>The layout's numbers, as all kernels on the cache take them.</summary>
    internal static KernelCall Layout(KernelCall call, KvLayout layout) =>
        call.Value(layout.BlockTokens).Value(layout.BlockBytes / layout.ElementBytes).Value(layout.HeadStride).Value(layout.KeyTokenStride).Value(layout.KeyDimStride)
            .Value(layout.ValueOffset).Value(layout.ValueTokenStride);

    /// <summary>Why a kernel does not take another cache.</summary>
    internal static string WrongFormat(KvFormat format) => $"is for a cache of {format.Name()}";

    /// <summary>
    /// Groups that share a row's splits, so many that they fill the device whatever the rows' keys: kernels read those, so that the launch is the
    /// same for contexts of all lengths. Some even where rows alone fill it: one of them may be far longer than the others. Into how many splits a
    /// row's keys are cut does not depend on it, and so neither does the order of its sums, which is that of tiles, too.
    /// </summary>
    internal static int SplitGroups(int rows, AttentionShape shape, DeviceLimits device)
    {
        int groups = rows * shape.KvHeads * Octets(shape);
        int wanted = (GroupsPerProcessor * device.Multiprocessors + groups - 1) / groups;
        return Math.Clamp((int)BitOperations.RoundUpToPowerOf2((uint)wanted), FewestGroups, MostSplits);
    }

    /// <summary>Bytes of partial results of so many rows.</summary>
    internal static long ScratchBytes(int rows, AttentionShape shape) => (long)rows * shape.Heads * MostSplits * (shape.HeadDim + 2) * sizeof(float);

    /// <summary>Folds the splits of the rows that decode, so many at most of each.</summary>
    internal static void Combine(CudaQueue queue, Tensor sums, Tensor stats, AttentionShape shape, CudaKvStep step, int mostSplits, Tensor output) =>
        queue.Call("attention_combine").View(sums).View(stats).View(step.Positions).View(output).Value(shape.HeadDim).Value(FewestSplitKeys).Value(mostSplits)
            .Run(new(step.DecodeRows, shape.Heads), KernelCall.ThreadsFor(shape.HeadDim));

    private static KernelRecord<AttentionCase, Launcher> Split(KvFormat format)
    {
        string kernel = format.KernelName("attention_split");
        return new(
            kernel,
            what => what.Layout.Format != format ? WrongFormat(format) : !what.IsDecode ? NotDecode : TooLarge(what),
            "one new row a sequence: its keys are split among groups",
            (queue, scratch, qkv, shape, step, layer, output) =>
            {
                int rows = step.DecodeRows;
                Tensor sums = scratch.Sums.Require(rows * shape.Heads * MostSplits, shape.HeadDim);
                Tensor stats = scratch.Stats.Require(rows * shape.Heads * MostSplits, 2);
                Layout(Cache(queue.Call(kernel), step, layer, qkv).View(sums).View(stats).Value(shape.Heads).Value(shape.KvHeads).Value(shape.HeadDim), step.Layout)
                    .Value(FewestSplitKeys).Value(MostSplits).Run(new(rows, shape.KvHeads * Octets(shape), SplitGroups(rows, shape, queue.Kernels.Limits)), Threads(shape));
                Combine(queue, sums, stats, shape, step, MostSplits, output);
            });
    }

    private static KernelRecord<AttentionCase, Launcher> Tiled(KvFormat format)
    {
        string kernel = format.KernelName("attention");
        return new(
            kernel,
            what => what.Layout.Format != format ? WrongFormat(format) : what.IsDecode ? NotPrefill : TooLarge(what),
            "several new rows a sequence: eight share the keys that a group reads",
            (queue, _, qkv, shape, step, layer, output) =>
                Layout(Cache(queue.Call(kernel), step, layer, qkv).View(step.Tiles).View(output).Value(shape.Heads).Value(shape.KvHeads).Value(shape.HeadDim), step.Layout)
                    .Value(FewestSplitKeys).Value(MostSplits).Run(new(step.TileCount, shape.KvHeads, shape.Heads / shape.KvHeads), Threads(shape)));
    }

    private static string? TooLarge(AttentionCase what) => what.Shape.HeadDim > LargestHead ? "has room for heads of 256 elements" : null;

    private static int Threads(AttentionShape shape) => Math.Max(KernelCall.Threads, KernelCall.ThreadsFor(shape.HeadDim));

    private static int Octets(AttentionShape shape) => (shape.Heads / shape.KvHeads + Octet - 1) / Octet;

    /// <summary>Queries and the cache, as kernels take them.</summary>
    internal static KernelCall Cache(KernelCall call, CudaKvStep step, int layer, Tensor qkv) =>
        call.View(qkv).View(step.Layer(layer), PoolElements).View(step.Tables).View(step.Starts).View(step.Positions);
}

/// <summary>Partial results of split attention.</summary>
internal sealed class AttentionScratch(CudaQueue queue) : IDisposable
{
    public CudaScratch Sums { get; } = new(queue);

    public CudaScratch Stats { get; } = new(queue);

    public void Dispose()
    {
        Sums.Dispose();
        Stats.Dispose();
    }
}
