using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>Segments and tables in host memory that does not move.</summary>
internal sealed unsafe class CpuKvStep(KvLayout layout, DeviceMemory memory, long offset, int count)
    : KvStep(MemoryPlace.Host, layout, memory, offset, count)
{
    private readonly CpuScratch _tables = new();
    private KvSegment[] _segments = new KvSegment[8];
    private int _used;

    public ReadOnlySpan<KvSegment> Segments => _segments.AsSpan(0, _used);

    /// <summary>The block table of a segment.</summary>
    public int* Table(in KvSegment segment) => (int*)_tables.Require(0) + segment.Table;

    /// <summary>The step as this backend made it.</summary>
    /// <exception cref="ArgumentException">It is another backend's.</exception>
    public static CpuKvStep Of(KvStep step) => step as CpuKvStep
        ?? throw new ArgumentException($"The cache is a {step?.GetType().Name ?? "null"}; make it with this backend's CreateKvStep.", nameof(step));

    public override void Dispose() => _tables.Dispose();

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
    }
}
