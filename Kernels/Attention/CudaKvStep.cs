using System.Numerics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// A step's segments as kernels read them: block tables, and for each row where its table starts and its position. The rows of
/// segments of one row that come first go through the kernel that decodes, all others through the one that prefills, whatever
/// else is in the step. Tables are padded to powers of two, those of a step that only decodes all to the same one, so that
/// growing, joining and leaving sequences seldom change a step's shape.
/// </summary>
internal sealed class CudaKvStep(CudaQueue queue, KvLayout layout, DeviceMemory memory, long offset, int count)
    : KvStep(MemoryPlace.Device, layout, memory, offset, count)
{
    private const int TileRows = 8;
    private const int FewestBlocks = 4;

    private readonly CudaScratch _memory = new(queue);
    private int[] _values = new int[256];

    /// <summary>Names of the kernels for the cache's format.</summary>
    public string AppendKernel { get; } = "rotate_norm_append_" + layout.Format.Suffix();

    /// <summary>See <see cref="AppendKernel"/>.</summary>
    public string DecodeKernel { get; } = "attention_split_" + layout.Format.Suffix();

    /// <summary>See <see cref="AppendKernel"/>.</summary>
    public string PrefillKernel { get; } = "attention_" + layout.Format.Suffix();

    /// <summary>Block tables, [·] int32</summary>
    public DeviceView Tables { get; private set; }

    /// <summary>Where each row's table starts, [T] int32</summary>
    public DeviceView Starts { get; private set; }

    /// <summary>Local positions, −1 for rows of no sequence, [T] int32</summary>
    public DeviceView Positions { get; private set; }

    /// <summary>Rows, from the first on, that decode.</summary>
    public int DecodeRows { get; private set; }

    /// <summary>A power of two that the number of keys of no decoding row exceeds.</summary>
    public int KeyCapacity { get; private set; }

    /// <summary>Of the other rows: pairs of first row and number of rows, at most eight, of one segment each: [n, 2] int32.</summary>
    public DeviceView Tiles { get; private set; }

    /// <summary>n of <see cref="Tiles"/>.</summary>
    public int TileCount { get; private set; }

    /// <summary>The layout that device kernels are fast on: a thread of theirs scores a key, and its neighbours the next slots' keys.</summary>
    public static KvLayout LayoutOf(int blockTokens, int layers, AttentionShape shape, KvFormat format) =>
        new(blockTokens, layers, shape.KvHeads, shape.HeadDim, format);

    /// <summary>The step as this backend made it.</summary>
    /// <exception cref="ArgumentException">It is another backend's.</exception>
    public static CudaKvStep Of(KvStep step) => step as CudaKvStep
        ?? throw new ArgumentException($"The cache is a {step?.GetType().Name ?? "null"}; make it with this backend's CreateKvStep.", nameof(step));

    public override void Dispose() => _memory.Dispose();

    /// <summary>
    /// Everything goes to the device at once: positions, starts, tiles, then the tables. Into memory of its own, because it is
    /// read until the step ends, however much else passes through the staging area.
    /// </summary>
    protected override void Take(ReadOnlySpan<KvSegment> segments, ReadOnlySpan<int> tables)
    {
        int decoding = 0, keys = 1, tiles = 0, entries = 0;
        for (; decoding < segments.Length && segments[decoding].Rows == 1 && segments[decoding].FirstRow == decoding; decoding++)
        {
            keys = Math.Max(keys, segments[decoding].LocalPosition + 1);
        }
        foreach (KvSegment segment in segments[decoding..])
        {
            tiles += (segment.Rows + TileRows - 1) / TileRows;
            entries += Padded(segment.LocalPosition + segment.Rows);
        }
        // Rows of a step that only decodes which belong to no sequence have tables too, which nothing reads.
        DecodeRows = decoding == segments.Length ? Rows : decoding;
        KeyCapacity = (int)BitOperations.RoundUpToPowerOf2((uint)keys);
        TileCount = tiles;
        int most = Padded(keys), firstTable = 2 * Rows + 2 * tiles, used = firstTable + DecodeRows * most + entries;
        if (_values.Length < used)
        {
            Array.Resize(ref _values, Math.Max(used, 2 * _values.Length));
        }
        Span<int> values = _values.AsSpan(0, used);
        values.Clear();
        values[..Rows].Fill(-1);
        Fill(segments, decoding, most, tables, values, firstTable);
        nint address = _memory.Require((long)used * sizeof(int));
        queue.Upload<int>(values, address);
        Positions = new DeviceView(address, Rows);
        Starts = new DeviceView(address + Rows * sizeof(int), Rows);
        Tiles = new DeviceView(address + 2 * Rows * sizeof(int), 2 * tiles);
        Tables = new DeviceView(address + firstTable * sizeof(int), used - firstTable);
    }

    private void Fill(ReadOnlySpan<KvSegment> segments, int decoding, int most, ReadOnlySpan<int> tables, Span<int> values, int firstTable)
    {
        Span<int> positions = values[..Rows], starts = values.Slice(Rows, Rows), tiles = values[(2 * Rows)..firstTable], entries = values[firstTable..];
        int start = 0;
        for (int i = 0; i < segments.Length; i++)
        {
            KvSegment segment = segments[i];
            if (i == decoding)
            {
                start = DecodeRows * most;
            }
            int end = segment.LocalPosition + segment.Rows;
            tables.Slice(segment.Table, Layout.Blocks(end)).CopyTo(entries[start..]);
            for (int row = 0; row < segment.Rows; row++)
            {
                starts[segment.FirstRow + row] = start;
                positions[segment.FirstRow + row] = segment.LocalPosition + row;
            }
            for (int row = 0; i >= decoding && row < segment.Rows; row += TileRows)
            {
                tiles[0] = segment.FirstRow + row;
                tiles[1] = Math.Min(TileRows, segment.Rows - row);
                tiles = tiles[2..];
            }
            start += i < decoding ? most : Padded(end);
        }
    }

    private int Padded(int keys) => Math.Max(FewestBlocks, (int)BitOperations.RoundUpToPowerOf2((uint)Layout.Blocks(keys)));
}
