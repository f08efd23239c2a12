using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// A step's segments as kernels read them: block tables, and for each row where its table starts and its position. The rows of
/// segments of one row that come first go through the kernel that decodes, all others through the one that prefills, whatever
/// else is in the step. Where things lie follows from the rows alone in a step that only decodes, so that its shape depends
/// on no sequence's length.
/// </summary>
internal sealed class CudaKvStep(CudaQueue queue, KvLayout layout, DeviceMemory memory, long offset, int count)
    : KvStep(MemoryPlace.Device, Known(layout), memory, offset, count)
{
    private const int TileRows = 8;

    private StepBuffer? _buffer;
    private int[] _values = new int[256];

    /// <summary>Block tables, one after another, int32; kernels reach them by <see cref="Starts"/>.</summary>
    public DeviceView Tables { get; private set; }

    /// <summary>Where each row's table starts, [T] int32</summary>
    public DeviceView Starts { get; private set; }

    /// <summary>Local positions, −1 for rows of no sequence, [T] int32</summary>
    public DeviceView Positions { get; private set; }

    /// <summary>Rows, from the first on, that decode.</summary>
    public int DecodeRows { get; private set; }

    /// <summary>
    /// Of the other rows: pairs of first row and number of rows, at most eight, of one segment each, whose last keys lie in the same 256:
    /// [n, 2] int32.
    /// </summary>
    public DeviceView Tiles { get; private set; }

    /// <summary>n of <see cref="Tiles"/>.</summary>
    public int TileCount { get; private set; }

    /// <summary>
    /// The same rows for <see cref="PrefillAttentionCuda"/>: pairs of first row and number of rows of one segment, those with most keys first:
    /// [n, 2] int32.
    /// </summary>
    public DeviceView Runs { get; private set; }

    /// <summary>n of <see cref="Runs"/>.</summary>
    public int RunCount { get; private set; }

    /// <summary>The layout that device kernels are fast on: a thread of theirs scores a key, and its neighbours the next slots' keys.</summary>
    public static KvLayout LayoutOf(int blockTokens, int layers, AttentionShape shape, KvFormat format) =>
        new(blockTokens, layers, shape.KvHeads, shape.HeadDim, format);

    /// <summary>The step as this backend made it.</summary>
    /// <exception cref="ArgumentException">It is another backend's.</exception>
    public static CudaKvStep Of(KvStep step) => step as CudaKvStep
        ?? throw new ArgumentException($"The cache is a {step?.GetType().Name ?? "null"}; make it with this backend's CreateKvStep.", nameof(step));

    public override void Dispose()
    {
        queue.Drain();
        _buffer?.Dispose();
        _buffer = null;
    }

    /// <summary>
    /// Everything goes to the device at once: positions, starts, tiles, runs, then the tables. Into memory of its own, because it is
    /// read until the step ends, however much else passes through the staging area.
    /// </summary>
    protected override void Take(ReadOnlySpan<KvSegment> segments, ReadOnlySpan<int> tables)
    {
        int decoding = 0, tiles = 0, runs = 0, entries = 0;
        for (; decoding < segments.Length && segments[decoding].Rows == 1 && segments[decoding].FirstRow == decoding; decoding++)
        {
            entries += Entries(segments[decoding]);
        }
        foreach (KvSegment segment in segments[decoding..])
        {
            for (int row = 0; row < segment.Rows; row += TileAt(segment, row))
            {
                tiles++;
            }
            runs += RunsOf(segment);
            entries += Entries(segment);
        }
        DecodeRows = decoding == segments.Length ? Rows : decoding;
        (TileCount, RunCount) = (tiles, runs);
        int firstRun = 2 * Rows + 2 * tiles, firstTable = firstRun + 2 * runs, used = firstTable + entries;
        if (_values.Length < used)
        {
            Array.Resize(ref _values, Math.Max(used, 2 * _values.Length));
        }
        Span<int> values = _values.AsSpan(0, used);
        values.Clear();
        values[..Rows].Fill(-1);
        Fill(segments, decoding, tables, values, firstRun, firstTable);
        nint address = queue.Replace(ref _buffer, MemoryMarshal.AsBytes(values));
        Positions = new DeviceView(address, Rows);
        Starts = new DeviceView(address + Rows * sizeof(int), Rows);
        Tiles = new DeviceView(address + 2 * Rows * sizeof(int), 2 * tiles);
        Runs = new DeviceView(address + firstRun * sizeof(int), 2 * runs);
        Tables = new DeviceView(address + firstTable * sizeof(int), PagedAttentionCuda.PoolElements);
    }

    private void Fill(ReadOnlySpan<KvSegment> segments, int decoding, ReadOnlySpan<int> tables, Span<int> values, int firstRun, int firstTable)
    {
        Span<int> positions = values[..Rows], starts = values.Slice(Rows, Rows), tiles = values[(2 * Rows)..firstRun], runs = values[firstRun..firstTable], entries = values[firstTable..];
        int start = 0;
        for (int i = 0; i < segments.Length; i++)
        {
            KvSegment segment = segments[i];
            int blocks = Entries(segment);
            tables.Slice(segment.Table, blocks).CopyTo(entries[start..]);
            for (int row = 0; row < segment.Rows; row++)
            {
                starts[segment.FirstRow + row] = start;
                positions[segment.FirstRow + row] = segment.LocalPosition + row;
            }
            for (int row = 0; i >= decoding && row < segment.Rows; row += TileAt(segment, row))
            {
                tiles[0] = segment.FirstRow + row;
                tiles[1] = TileAt(segment, row);
                tiles = tiles[2..];
            }
            // From the end: what has most keys begins first.
            for (int run = 0; i >= decoding && run < RunsOf(segment); run++)
            {
                runs[^2] = segment.FirstRow + run * PrefillAttentionPtx.TileRows;
                runs[^1] = Math.Min(PrefillAttentionPtx.TileRows, segment.Rows - run * PrefillAttentionPtx.TileRows);
                runs = runs[..^2];
            }
            start += blocks;
        }
    }

    /// <summary>Rows of the tile that begins at a row: those that attend to the same splits of keys.</summary>
    private static int TileAt(KvSegment segment, int row) => Math.Min(
        Math.Min(TileRows, segment.Rows - row),
        PagedAttentionCuda.FewestSplitKeys - (segment.LocalPosition + row) % PagedAttentionCuda.FewestSplitKeys);

    private static int RunsOf(KvSegment segment) => (segment.Rows + PrefillAttentionPtx.TileRows - 1) / PrefillAttentionPtx.TileRows;

    private int Entries(KvSegment segment) => Layout.Blocks(segment.LocalPosition + segment.Rows);

    /// <exception cref="ArgumentException">The layout is another backend's.</exception>
    private static KvLayout Known(KvLayout layout) => layout is null || !layout.InPairs
        ? layout!
        : throw new ArgumentException($"{layout} is another backend's; make it with this backend's LayoutOf.", nameof(layout));
}
