using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Kernels.Backends;

namespace Llama4Kernels.Tests.Kernels.Attention;

/// <summary>One sequence of random projections with its own pages, for attention tests.</summary>
internal sealed unsafe class PagedSequence : IDisposable
{
    private readonly List<CpuMemory> _pages = [];
    private readonly nint* _table;

    public PagedSequence(AttentionShape shape, KvLayout layout, int tokens, int seed)
    {
        Shape = shape;
        Layout = layout;
        Qkv = HostTensor.Random(tokens, shape.QkvColumns, seed, 2f);
        Output = new HostTensor(tokens, shape.QueryColumns);
        int pages = (tokens + layout.PageTokens - 1) / layout.PageTokens;
        _table = (nint*)NativeMemory.Alloc((nuint)Math.Max(1, pages), (nuint)sizeof(nint));
        for (int i = 0; i < pages; i++)
        {
            _pages.Add(new CpuMemory(layout.PageBytes));
            _table[i] = _pages[i].Address;
        }
    }

    public AttentionShape Shape { get; }

    public KvLayout Layout { get; }

    public HostTensor Qkv { get; }

    public HostTensor Output { get; }

    public nint PageTable => (nint)_table;

    /// <summary>Appends and attends rows [first, first + rows) as one call.</summary>
    public void Step(ThreadTeam team, CpuScratch scratch, int first, int rows)
    {
        Tensor qkv = Qkv.View.Slice(first, rows);
        KvSegment segment = new(0, rows, first, PageTable);
        RotateNormAppend.Run(team, qkv, Shape, null, null, null, Layout, [segment]);
        PagedAttention.Run(team, scratch, qkv, Shape, Layout, [segment], Output.View.Slice(first, rows));
    }

    public void Dispose()
    {
        Qkv.Dispose();
        Output.Dispose();
        _pages.ForEach(page => page.Dispose());
        NativeMemory.Free(_table);
    }
}
