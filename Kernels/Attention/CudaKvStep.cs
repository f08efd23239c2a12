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
internal sealed class CudaKvStep(CudaQueue queue, KvLayout layout, nint blocks, int count) : KvStep(layout, blocks, count)
{
    private const int TileRows = 8;
    private const int FewestBlocks = 4;

    private int[] _tables = new int[64], _starts = [], _positions = [], _tiles = new int[16];

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

    public override void Dispose()
    {
        // What the device reads is the queue's.
    }

    protected override void Take(ReadOnlySpan<KvSegment> segments, ReadOnlySpan<int> tables)
    {
        Grow(ref _starts, Rows);
        Grow(ref _positions, Rows);
        _starts.AsSpan(0, Rows).Clear();
        _positions.AsSpan(0, Rows).Fill(-1);
        int decoding = 0;
        while (decoding < segments.Length && segments[decoding].Rows == 1 && segments[decoding].FirstRow == decoding)
        {
            decoding++;
        }
        int used = PutTables(segments, decoding, tables);
        PutTiles(segments[decoding..]);
        Tables = Put(_tables.AsSpan(0, Math.Max(used, 1)));
        Starts = Put(_starts.AsSpan(0, Rows));
        Positions = Put(_positions.AsSpan(0, Rows));
    }

    private int PutTables(ReadOnlySpan<KvSegment> segments, int decoding, ReadOnlySpan<int> tables)
    {
        int keys = 1;
        foreach (KvSegment segment in segments[..decoding])
        {
            keys = Math.Max(keys, segment.LocalPosition + 1);
        }
        KeyCapacity = (int)BitOperations.RoundUpToPowerOf2((uint)keys);
        // Rows of a step that only decodes which belong to no sequence have tables too, which nothing reads.
        bool onlyDecodes = decoding == segments.Length;
        DecodeRows = onlyDecodes ? Rows : decoding;
        int most = Padded(keys), used = 0;
        for (int i = 0; i < segments.Length; i++)
        {
            KvSegment segment = segments[i];
            int end = segment.LocalPosition + segment.Rows;
            int held = Layout.Blocks(end), padded = i < decoding ? most : Padded(end);
            Grow(ref _tables, used + padded);
            tables.Slice(segment.Table, held).CopyTo(_tables.AsSpan(used));
            _tables.AsSpan(used + held, padded - held).Clear();
            for (int row = 0; row < segment.Rows; row++)
            {
                _starts[segment.FirstRow + row] = used;
                _positions[segment.FirstRow + row] = segment.LocalPosition + row;
            }
            used += padded;
        }
        if (onlyDecodes && used < Rows * most)
        {
            Grow(ref _tables, Rows * most);
            _tables.AsSpan(used, Rows * most - used).Clear();
            used = Rows * most;
        }
        return used;
    }

    private void PutTiles(ReadOnlySpan<KvSegment> segments)
    {
        TileCount = 0;
        foreach (KvSegment segment in segments)
        {
            for (int first = 0; first < segment.Rows; first += TileRows)
            {
                Grow(ref _tiles, 2 * TileCount + 2);
                _tiles[2 * TileCount] = segment.FirstRow + first;
                _tiles[2 * TileCount + 1] = Math.Min(TileRows, segment.Rows - first);
                TileCount++;
            }
        }
        Tiles = TileCount > 0 ? Put(_tiles.AsSpan(0, 2 * TileCount)) : default;
    }

    private int Padded(int keys) => Math.Max(FewestBlocks, (int)BitOperations.RoundUpToPowerOf2((uint)Layout.Blocks(keys)));

    private DeviceView Put(ReadOnlySpan<int> values) => new(queue.Put(values), values.Length);

    private static void Grow(ref int[] array, int length)
    {
        if (array.Length < length)
        {
            Array.Resize(ref array, Math.Max(length, 2 * array.Length));
        }
    }
}
