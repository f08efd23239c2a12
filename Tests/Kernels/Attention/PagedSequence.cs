using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Kernels.Backends;

namespace Llama4Kernels.Tests.Kernels.Attention;

/// <summary>One sequence of random projections with its own blocks, for attention tests. It uses the middle one of three layers.</summary>
internal sealed class PagedSequence : IDisposable
{
    public const int Layer = 1;

    private readonly CpuMemory _memory;
    private readonly CpuKvStep _step;

    public PagedSequence(AttentionShape shape, KvLayout layout, int tokens, int seed)
    {
        Shape = shape;
        Layout = layout;
        Qkv = HostTensor.Random(tokens, shape.QkvColumns, seed, 2f);
        Output = new HostTensor(tokens, shape.QueryColumns);
        int blocks = Math.Max(1, layout.Blocks(tokens));
        _memory = new CpuMemory(blocks * layout.BlockBytes);
        _step = new CpuKvStep(layout, _memory, 0, blocks);
        // In reverse: neighbours in a table need not be neighbours in memory.
        Table = [.. Enumerable.Range(0, blocks).Reverse()];
    }

    public AttentionShape Shape { get; }

    public KvLayout Layout { get; }

    public HostTensor Qkv { get; }

    public HostTensor Output { get; }

    public int[] Table { get; }

    /// <summary>The memory of its blocks.</summary>
    public unsafe Span<byte> Blocks => new((void*)_memory.Address, (int)_memory.Length);

    /// <summary>The forms that a backend takes which is exact.</summary>
    public static AttentionForms Exact { get; } = new(ActivationPrecision.Float32);

    public static KvLayout NewLayout(int blockTokens, int kvHeads, int dim, KvFormat format) =>
        CpuKvStep.LayoutOf(blockTokens, Layer + 2, new AttentionShape(kvHeads, kvHeads, dim), format);

    /// <summary>Appends and attends rows [first, first + rows) as one call.</summary>
    public void Step(ThreadTeam team, CpuScratch scratch, int first, int rows, AttentionForms? forms = null)
    {
        Tensor qkv = Qkv.View.Slice(first, rows);
        _step.Set(rows, [new KvSegment(0, rows, first, 0)], Table);
        RotateNormAppend.Run(team, qkv, Shape, null, null, null, _step, Layer);
        PagedAttention.Run(team, scratch, forms ?? Exact, qkv, Shape, _step, Layer, Output.View.Slice(first, rows));
    }

    public void Dispose()
    {
        Qkv.Dispose();
        Output.Dispose();
        _step.Dispose();
        _memory.Dispose();
    }
}
