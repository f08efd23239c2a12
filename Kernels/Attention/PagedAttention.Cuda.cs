using System.Numerics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>What the choice of a kernel for attention depends on.</summary>
/// <param name="IsDecode">Every sequence has one new row.</param>
/// <param name="Format">Elements of the cache.</param>
/// <param name="HeadDim">Elements of a head.</param>
internal readonly record struct AttentionCase(bool IsDecode, KvFormat Format, int HeadDim);

/// <summary><see cref="PagedAttention"/> on a device.</summary>
internal static class PagedAttentionCuda
{
    /// <summary>Kernels that follow others.</summary>
    internal static readonly KernelOption[] Kernels = [new("Attention", "attention_combine", "after attention_split: folds the splits in their order")];

    /// <summary>The records; those that take tiles of rows take single ones too.</summary>
    internal static readonly KernelRecords<AttentionCase, Launcher> Records = new(
        "Attention",
        Split(KvFormat.F32), Split(KvFormat.BF16), Tiled(KvFormat.F32), Tiled(KvFormat.BF16));

    /// <summary>Puts the launches into a queue; the batch holds the segments.</summary>
    internal delegate void Launcher(CudaQueue queue, KvBatch batch, AttentionScratch scratch, Tensor qkv, AttentionShape shape, KvLayout layout, Tensor output);

    /// <summary>Length of the views over the cache and the page tables; kernels reach both by offsets and do not read it.</summary>
    internal const long PoolElements = 1L << 40;

    private const int FewestSplitKeys = 256;
    private const int FewestSplits = 16;
    private const int MostSplits = 64;
    private const int GroupsPerProcessor = 4;
    private const int Octet = 8;
    private const int LargestHead = 256;

    /// <summary>As <see cref="PagedAttention.Run"/>, on a device.</summary>
    /// <exception cref="ArgumentException">Shapes differ or a segment lies outside the batch.</exception>
    /// <exception cref="NotSupportedException">Heads have more than 256 elements.</exception>
    public static void Run(CudaQueue queue, KvBatch batch, AttentionScratch scratch, Tensor qkv, AttentionShape shape, KvLayout layout, ReadOnlySpan<KvSegment> segments, Tensor output)
    {
        PagedAttention.Check(MemoryPlace.Device, qkv, shape, layout, segments);
        ShapeCheck.Require(output, MemoryPlace.Device, qkv.Rows, shape.QueryColumns, nameof(output));
        if (qkv.Rows == 0)
        {
            return;
        }
        if (!batch.Holds(segments))
        {
            batch.Set(qkv.Rows, layout, segments);
        }
        Records.Choose(new AttentionCase(batch.IsDecode, layout.Format, shape.HeadDim)).Launch(queue, batch, scratch, qkv, shape, layout, output);
    }

    private static KernelRecord<AttentionCase, Launcher> Split(KvFormat format)
    {
        string kernel = "attention_split_" + Suffix(format);
        return new(
            kernel,
            what => what.Format != format ? WrongFormat(format) : !what.IsDecode ? "is for one new row a sequence" : TooLarge(what),
            "one new row a sequence: its keys are split among groups",
            (queue, batch, scratch, qkv, shape, layout, output) =>
            {
                int splits = Splits(qkv.Rows, shape, queue.Kernels.Limits);
                Tensor sums = scratch.Sums.Require(qkv.Rows * shape.Heads * splits, shape.HeadDim);
                Tensor stats = scratch.Stats.Require(qkv.Rows * shape.Heads * splits, 2);
                Cache(queue.Call(kernel), queue, batch, qkv).View(sums).View(stats)
                    .Value(shape.Heads).Value(shape.KvHeads).Value(shape.HeadDim).Value(layout.PageTokens).Value(FewestSplitKeys).Value(splits)
                    .Run(new(qkv.Rows, shape.KvHeads * Octets(shape), splits), Threads(shape));
                queue.Call("attention_combine").View(sums).View(stats).View(batch.Positions).View(output).Value(shape.HeadDim).Value(FewestSplitKeys).Value(splits)
                    .Run(new(qkv.Rows, shape.Heads), KernelCall.ThreadsFor(shape.HeadDim));
            });
    }

    private static KernelRecord<AttentionCase, Launcher> Tiled(KvFormat format)
    {
        string kernel = "attention_" + Suffix(format);
        return new(
            kernel,
            what => what.Format != format ? WrongFormat(format) : TooLarge(what),
            "several new rows a sequence: eight share the keys that a group reads",
            (queue, batch, scratch, qkv, shape, layout, output) =>
            {
                DeviceView tiles = batch.Tiles(out int count);
                Cache(queue.Call(kernel), queue, batch, qkv).View(tiles).View(output)
                    .Value(shape.Heads).Value(shape.KvHeads).Value(shape.HeadDim).Value(layout.PageTokens).Run(new(count, shape.KvHeads, shape.Heads / shape.KvHeads), Threads(shape));
            });
    }

    /// <summary>What names of kernels end with that read or write a cache.</summary>
    internal static string Suffix(KvFormat format) => format == KvFormat.F32 ? "f32" : "bf16";

    /// <summary>Why a kernel does not take another cache.</summary>
    internal static string WrongFormat(KvFormat format) => format == KvFormat.F32 ? "is for a cache of float32" : "is for a cache of bf16";

    private static string? TooLarge(AttentionCase what) => what.HeadDim > LargestHead ? "has room for heads of 256 elements" : null;

    private static int Threads(AttentionShape shape) => Math.Max(KernelCall.Threads, KernelCall.ThreadsFor(shape.HeadDim));

    /// <summary>
    /// Splits that fill the device, whatever the rows' keys: kernels read those, so that the launch is the same for contexts of all lengths.
    /// Some even where rows alone fill it: one of them may be far longer than the others.
    /// </summary>
    internal static int Splits(int rows, AttentionShape shape, DeviceLimits device)
    {
        int groups = rows * shape.KvHeads * Octets(shape);
        int wanted = (GroupsPerProcessor * device.Multiprocessors + groups - 1) / groups;
        return Math.Clamp((int)BitOperations.RoundUpToPowerOf2((uint)wanted), FewestSplits, MostSplits);
    }

    private static int Octets(AttentionShape shape) => (shape.Heads / shape.KvHeads + Octet - 1) / Octet;

    private static KernelCall Cache(KernelCall call, CudaQueue queue, KvBatch batch, Tensor qkv) =>
        call.View(qkv).View(queue.PoolBase, PoolElements).View(queue.PageBase, PoolElements).View(batch.Tables).View(batch.Positions);
}

/// <summary>Partial results of split attention.</summary>
internal sealed class AttentionScratch(CudaQueue queue) : IDisposable
{
    public CudaScratch Sums { get; } = new(queue);

    public CudaScratch Stats { get; } = new(queue);

    /// <summary>Bytes for so many rows.</summary>
    public static long Bytes(int rows, AttentionShape shape, DeviceLimits device) =>
        (long)rows * shape.Heads * PagedAttentionCuda.Splits(rows, shape, device) * (shape.HeadDim + 2) * sizeof(float);

    public void Dispose()
    {
        Sums.Dispose();
        Stats.Dispose();
    }
}
