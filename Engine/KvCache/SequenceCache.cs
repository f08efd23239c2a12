using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.KvCache;

/// <summary>
/// Cached keys and values of one sequence. Chunked layers hold the current chunk only: when the sequence enters the next
/// one, their pages go back to the pool, because no later position can look across the edge. Full layers hold everything.
/// </summary>
public sealed class SequenceCache : IDisposable
{
    private readonly KvPagePool _pool;
    private readonly int? _chunk;
    private readonly PageTable[] _tables;
    private readonly bool[] _chunked;

    /// <summary>An empty cache.</summary>
    public SequenceCache(TextConfig config, KvPagePool pool)
    {
        _pool = pool;
        _chunk = config.AttentionChunkSize;
        _chunked = config.LayerKinds.Select(l => l.IsChunked && _chunk is not null).ToArray();
        _tables = _chunked.Select(_ => new PageTable()).ToArray();
    }

    /// <summary>Positions cached so far; the next token has this position.</summary>
    public int Length { get; private set; }

    /// <summary>Pages that layer <paramref name="layer"/> holds now.</summary>
    public int PagesOf(int layer) => _tables[layer].Count;

    /// <summary>How many of <paramref name="rows"/> next tokens can go into one step: a step never crosses a chunk edge.</summary>
    public int RowsBeforeChunkEdge(int rows) =>
        _chunk is int chunk ? Math.Min(rows, chunk - Length % chunk) : rows;

    /// <summary>Makes room for the next <paramref name="rows"/> positions, which must not cross a chunk edge.</summary>
    public void BeginStep(int rows)
    {
        if (RowsBeforeChunkEdge(rows) != rows)
        {
            throw new ArgumentOutOfRangeException(nameof(rows), $"{rows} rows from position {Length} cross an attention chunk edge (chunk {_chunk}).");
        }
        for (int layer = 0; layer < _tables.Length; layer++)
        {
            int local = LocalPosition(layer);
            if (local == 0 && Length > 0)
            {
                _tables[layer].ReturnAll(_pool);
            }
            int pages = (local + rows + _pool.Layout.PageTokens - 1) / _pool.Layout.PageTokens;
            while (_tables[layer].Count < pages)
            {
                _tables[layer].Add(_pool.Rent());
            }
        }
    }

    /// <summary>The segment of layer <paramref name="layer"/> for the step's rows.</summary>
    public KvSegment Segment(int layer, int firstRow, int rows) =>
        new(firstRow, rows, LocalPosition(layer), _tables[layer].Address);

    /// <summary>Counts the step's rows as cached.</summary>
    public void EndStep(int rows) => Length += rows;

    /// <summary>Reserves pages and tables for <paramref name="positions"/> positions, so that steps up to there allocate nothing.</summary>
    public void Reserve(int positions)
    {
        int pages = 0;
        for (int layer = 0; layer < _tables.Length; layer++)
        {
            int needed = Pages(_chunked[layer] ? _chunk : null, _pool.Layout.PageTokens, positions);
            _tables[layer].EnsureCapacity(needed);
            pages += Math.Max(0, needed - _tables[layer].Count);
        }
        _pool.Reserve(pages);
    }

    /// <summary>Forgets everything and gives all pages back.</summary>
    public void Clear()
    {
        foreach (PageTable table in _tables)
        {
            table.ReturnAll(_pool);
        }
        Length = 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Clear();
        foreach (PageTable table in _tables)
        {
            table.Dispose();
        }
    }

    /// <summary>Pages of all layers that a sequence of so many positions holds.</summary>
    internal static int Pages(TextConfig config, int pageTokens, int positions) =>
        config.LayerKinds.Sum(layer => Pages(layer.IsChunked ? config.AttentionChunkSize : null, pageTokens, positions));

    private static int Pages(int? chunk, int pageTokens, int positions) => (Math.Min(positions, chunk ?? positions) + pageTokens - 1) / pageTokens;

    private int LocalPosition(int layer) => _chunked[layer] ? Length % _chunk!.Value : Length;
}
