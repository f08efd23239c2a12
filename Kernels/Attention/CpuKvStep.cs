using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>Where a row's keys and values go.</summary>
/// <param name="Block">The block; −1 for a row that belongs to no sequence.</param>
/// <param name="Slot">Slot of the block.</param>
internal readonly record struct KvPlace(int Block, int Slot);

/// <summary>Segments, tables and places in host memory that does not move.</summary>
internal sealed unsafe class CpuKvStep(KvLayout layout, DeviceMemory memory, long offset, int count)
    : KvStep(MemoryPlace.Host, Known(layout), memory, offset, count)
{
    private readonly CpuScratch _tables = new();
    private readonly CpuScratch _places = new();
    private KvSegment[] _segments = new KvSegment[8];
    private int _used;

    public ReadOnlySpan<KvSegment> Segments => _segments.AsSpan(0, _used);

    /// <summary>The block table of a segment.</summary>
    public int* Table(in KvSegment segment) => (int*)_tables.Require(0) + segment.Table;

    /// <summary>The place of each row of the step.</summary>
    public KvPlace* Places => (KvPlace*)_places.Require(0);

    /// <summary>The layout that the processor's kernels read: formats with dot products in pairs, others as single elements.</summary>
    public static KvLayout LayoutOf(int blockTokens, int layers, AttentionShape shape, KvFormat format) =>
        new(blockTokens, layers, shape.KvHeads, shape.HeadDim, format, format.DotsPairs());

    /// <summary>The step as this backend made it.</summary>
    /// <exception cref="ArgumentException">It is another backend's.</exception>
    public static CpuKvStep Of(KvStep step) => step as CpuKvStep
        ?? throw new ArgumentException($"The cache is a {step?.GetType().Name ?? "null"}; make it with this backend's CreateKvStep.", nameof(step));

    public override void Dispose()
    {
        _tables.Dispose();
        _places.Dispose();
    }

    protected override void Take(ReadOnlySpan<KvSegment> segments, ReadOnlySpan<int> tables)
    {
        if (_segments.Length < segments.Length)
        {
            _segments = new KvSegment[2 * segments.Length];
        }
        segments.CopyTo(_segments);
        _used = segments.Length;
        // Twice what is needed: tables grow by an entry at a time.
        long bytes = (long)tables.Length * sizeof(int);
        tables.CopyTo(new Span<int>(_tables.Require(bytes > _tables.Capacity ? 2 * bytes : bytes), tables.Length));
        var places = new Span<KvPlace>(_places.Require((long)Rows * sizeof(KvPlace)), Rows);
        places.Fill(new KvPlace(-1, 0));
        foreach (KvSegment segment in segments)
        {
            for (int row = 0; row < segment.Rows; row++)
            {
                int position = segment.LocalPosition + row;
                places[segment.FirstRow + row] = new KvPlace(tables[segment.Table + position / Layout.BlockTokens], position % Layout.BlockTokens);
            }
        }
    }

    /// <exception cref="ArgumentException">The layout is another backend's.</exception>
    private static KvLayout Known(KvLayout layout) => layout is null || layout.InPairs == layout.Format.DotsPairs()
        ? layout!
        : throw new ArgumentException($"{layout} is another backend's; make it with this backend's LayoutOf.", nameof(layout));
}
