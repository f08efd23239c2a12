using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// The segments of a layer as kernels read them: page offsets, and for each row where its table starts and its position. Tables are as
/// long as their sequences and lie apart from all else, reached from one address, so that a step's shape does not depend on how
/// long its sequences are.
/// </summary>
internal sealed unsafe class KvBatch(CudaQueue queue)
{
    private const int TileRows = 8;

    private KvSegment[] _segments = new KvSegment[8];
    private int _count = -1;
    private long[] _pages = new long[64];
    private int[] _tables = [], _positions = [];
    private int[] _tiles = new int[16];

    /// <summary>[T] int32: each row's first entry among the page tables, which count from <see cref="CudaQueue.PageBase"/>.</summary>
    public DeviceView Tables { get; private set; }

    /// <summary>[T] int32</summary>
    public DeviceView Positions { get; private set; }

    /// <summary>Every segment has one row.</summary>
    public bool IsDecode { get; private set; }

    /// <summary>Whether this holds just these segments.</summary>
    public bool Holds(ReadOnlySpan<KvSegment> segments) => _count == segments.Length && segments.SequenceEqual(_segments.AsSpan(0, _count));

    /// <summary>Forgets the segments: their page tables may have changed.</summary>
    public void Forget() => _count = -1;

    /// <summary>Reads the segments' page tables and brings everything to the device.</summary>
    public void Set(int rows, KvLayout layout, ReadOnlySpan<KvSegment> segments)
    {
        _count = segments.Length;
        Grow(ref _segments, segments.Length);
        segments.CopyTo(_segments);
        Grow(ref _tables, rows);
        Grow(ref _positions, rows);
        _tables.AsSpan(0, rows).Clear();
        _positions.AsSpan(0, rows).Fill(-1);
        int used = 0;
        IsDecode = true;
        foreach (KvSegment segment in segments)
        {
            IsDecode &= segment.Rows == 1;
            int end = segment.LocalPosition + segment.Rows;
            int pages = (end + layout.PageTokens - 1) / layout.PageTokens;
            Grow(ref _pages, used + pages);
            nint* table = (nint*)segment.PageTable;
            for (int i = 0; i < pages; i++)
            {
                _pages[used + i] = (table[i] - queue.PoolBase) / layout.ElementBytes;
            }
            for (int i = 0; i < segment.Rows; i++)
            {
                _tables[segment.FirstRow + i] = used;
                _positions[segment.FirstRow + i] = segment.LocalPosition + i;
            }
            used += pages;
        }
        int first = queue.PutPages(_pages.AsSpan(0, used));
        for (int row = 0; row < rows; row++)
        {
            _tables[row] += first;
        }
        Tables = Put<int>(_tables.AsSpan(0, rows));
        Positions = Put<int>(_positions.AsSpan(0, rows));
    }

    /// <summary>Pairs of first row and number of rows, at most eight, of one segment each: [n, 2] int32.</summary>
    public DeviceView Tiles(out int count)
    {
        count = 0;
        foreach (KvSegment segment in _segments.AsSpan(0, _count))
        {
            for (int first = 0; first < segment.Rows; first += TileRows)
            {
                Grow(ref _tiles, 2 * count + 2);
                _tiles[2 * count] = segment.FirstRow + first;
                _tiles[2 * count + 1] = Math.Min(TileRows, segment.Rows - first);
                count++;
            }
        }
        return Put<int>(_tiles.AsSpan(0, 2 * count));
    }

    private DeviceView Put<T>(ReadOnlySpan<T> values)
        where T : unmanaged => new(queue.Put(values), values.Length);

    private static void Grow<T>(ref T[] array, int length)
    {
        if (array.Length < length)
        {
            Array.Resize(ref array, Math.Max(length, 2 * array.Length));
        }
    }
}
