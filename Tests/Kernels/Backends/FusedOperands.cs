using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Kernels.Backends;

/// <summary>The smallest weights and the smallest cache that operations take which do several others' work.</summary>
internal sealed class FusedOperands : IDisposable
{
    public const int Width = 256;

    public static readonly AttentionShape Shape = new(2, 1, Width / 2);

    private readonly List<IDisposable> _owned = [];
    private readonly float[] _numbers = GC.AllocateArray<float>(2 * Width * Width, pinned: true);

    public FusedOperands(IBackend backend)
    {
        Square = Own(backend.Pack([Numbers(Width)], WeightFormat.Int4));
        GateUp = Own(backend.Pack([Numbers(2 * Width)], WeightFormat.Int4));
        KvLayout layout = backend.LayoutOf(32, 1, Shape, KvFormat.BF16);
        Cache = Own(backend.CreateKvStep(layout, Own(backend.Allocate(2 * layout.BlockBytes)), 0, 2));
        Cache.Set(2, [new KvSegment(0, 1, 0, 0), new KvSegment(1, 1, 0, 1)], [0, 1]);
    }

    /// <summary>[256, 256]</summary>
    public IMatrix Square { get; }

    /// <summary>[512, 256]</summary>
    public IMatrix GateUp { get; }

    /// <summary>A row each of two sequences in one layer.</summary>
    public KvStep Cache { get; }

    public void Dispose() => _owned.ForEach(item => item.Dispose());

    private StridedMatrix Numbers(int rows) => MatrixSource.RowMajor(Marshal.UnsafeAddrOfPinnedArrayElement(_numbers, 0), ElementType.F32, rows, Width);

    private T Own<T>(T item)
        where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }
}
