using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.KvCache;

/// <summary>The block tables and segments of a step, built once for all layers of a kind.</summary>
internal sealed class StepTables : IDisposable
{
    private readonly CacheLayers _layers;
    private readonly KindTables?[] _kinds;

    public StepTables(BlockPool pool, IBackend backend)
    {
        _layers = pool.Layers;
        _kinds = [.. Enum.GetValues<BlockKind>().Select(kind => pool.CreateStep(backend, kind) is KvStep step ? new KindTables(kind, step) : null)];
    }

    /// <summary>Empties it.</summary>
    public void Clear()
    {
        foreach (KindTables? kind in _kinds)
        {
            kind?.Clear();
        }
    }

    /// <summary>Adds the next rows of a sequence, whose blocks are taken.</summary>
    public void Add(SequenceBlocks sequence, int firstRow, int rows)
    {
        foreach (KindTables? kind in _kinds)
        {
            kind?.Add(sequence, firstRow, rows);
        }
    }

    /// <summary>Hands everything to the backend, for a step of so many rows.</summary>
    public void Set(int rows)
    {
        foreach (KindTables? kind in _kinds)
        {
            kind?.Set(rows);
        }
    }

    /// <summary>Copies a block into the last one that a sequence has of its kind; none of a kind that the model lacks.</summary>
    public void Copy(IBackend backend, BlockKind kind, int block, SequenceBlocks sequence)
    {
        if (_kinds[(int)kind] is KindTables tables)
        {
            backend.CopyBlock(tables.Step, block, sequence.Table(kind)[^1]);
        }
    }

    /// <summary>The cache of a layer, and its place among the layers that a block spans.</summary>
    public KvStep Of(int layer, out int index)
    {
        (BlockKind kind, index) = _layers[layer];
        return _kinds[(int)kind]!.Step;
    }

    public void Dispose()
    {
        foreach (KindTables? kind in _kinds)
        {
            kind?.Step.Dispose();
        }
    }

    private sealed class KindTables(BlockKind kind, KvStep step)
    {
        private KvSegment[] _segments = new KvSegment[8];
        private int[] _tables = new int[64];
        private int _count, _used;

        public KvStep Step => step;

        public void Clear() => _count = _used = 0;

        public void Add(SequenceBlocks sequence, int firstRow, int rows)
        {
            ReadOnlySpan<int> table = sequence.Table(kind);
            if (_count == _segments.Length)
            {
                Array.Resize(ref _segments, 2 * _count);
            }
            if (_tables.Length < _used + table.Length)
            {
                Array.Resize(ref _tables, Math.Max(_used + table.Length, 2 * _tables.Length));
            }
            table.CopyTo(_tables.AsSpan(_used));
            _segments[_count++] = new KvSegment(firstRow, rows, sequence.LocalPosition(kind), _used);
            _used += table.Length;
        }

        public void Set(int rows) => step.Set(rows, _segments.AsSpan(0, _count), _tables.AsSpan(0, _used));
    }
}
