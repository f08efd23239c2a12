using System.Runtime.InteropServices;
using Llama4Kernels.Engine.KvCache;

namespace Llama4Kernels.Engine.Model;

/// <summary>
/// The rows of one forward step: consecutive new tokens of one or more sequences. Built once and refilled, so that a
/// decode step allocates nothing.
/// </summary>
public sealed class Batch
{
    private readonly int[] _ids;
    private readonly int[] _positions;
    private readonly List<Part> _parts = [];

    /// <summary>An empty batch for up to <paramref name="maxRows"/> rows.</summary>
    public Batch(int maxRows)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxRows);
        _ids = new int[maxRows];
        _positions = new int[maxRows];
    }

    /// <summary>Rows it can take.</summary>
    public int Capacity => _ids.Length;

    /// <summary>Rows it holds.</summary>
    public int Rows { get; private set; }

    internal ReadOnlySpan<Part> Parts => CollectionsMarshal.AsSpan(_parts);

    /// <summary>Whether every sequence has one row, whose logits are wanted.</summary>
    internal bool IsDecode
    {
        get
        {
            foreach (Part part in Parts)
            {
                if (part.Rows != 1 || part.LogitRows != 1 || !part.FeatureRows.IsEmpty)
                {
                    return false;
                }
            }
            return Rows > 0;
        }
    }

    /// <summary>Ids of all rows, then zeros.</summary>
    internal ReadOnlySpan<int> Ids(int rows) => Padded(_ids, rows);

    /// <summary>Positions of all rows, then zeros.</summary>
    internal ReadOnlySpan<int> Positions(int rows) => Padded(_positions, rows);

    /// <summary>Empties it.</summary>
    public void Clear()
    {
        Rows = 0;
        _parts.Clear();
    }

    /// <summary>Adds the next tokens of a sequence; they must not cross an attention chunk edge.</summary>
    /// <param name="cache">The sequence; each may appear once in a batch.</param>
    /// <param name="ids">Token ids.</param>
    /// <param name="logitsFrom">First of these rows whose logits are wanted; <c>ids.Length</c> for none.</param>
    /// <param name="features">Embeddings [·, D] that replace rows, or empty.</param>
    /// <param name="featureRows">For each replaced row: its index in <paramref name="ids"/>, ascending.</param>
    public void Add(SequenceCache cache, ReadOnlySpan<int> ids, int logitsFrom, ReadOnlyMemory<float> features = default, ReadOnlyMemory<int> featureRows = default)
    {
        if (ids.Length > Capacity - Rows)
        {
            throw new ArgumentException($"{ids.Length} tokens do not fit: {Rows} of {Capacity} rows are taken.", nameof(ids));
        }
        ids.CopyTo(_ids.AsSpan(Rows));
        for (int i = 0; i < ids.Length; i++)
        {
            _positions[Rows + i] = cache.Length + i;
        }
        _parts.Add(new Part(cache, Rows, ids.Length, logitsFrom, features, featureRows));
        Rows += ids.Length;
    }

    private Span<int> Padded(int[] values, int rows)
    {
        values.AsSpan(Rows, rows - Rows).Clear();
        return values.AsSpan(0, rows);
    }

    internal readonly record struct Part(SequenceCache Cache, int FirstRow, int Rows, int LogitsFrom, ReadOnlyMemory<float> Features, ReadOnlyMemory<int> FeatureRows)
    {
        public int LogitRows => Rows - LogitsFrom;
    }
}
