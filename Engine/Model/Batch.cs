using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Model;

/// <summary>
/// The rows of one forward step: consecutive new tokens of one or more sequences. Built once and refilled, so that a decode
/// step allocates nothing.
/// </summary>
internal sealed class Batch
{
    private readonly int[] _ids;
    private readonly int[] _positions;
    private readonly List<Features> _features = [];
    private readonly List<RowRange> _wanted = [];

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

    /// <summary>Rows whose logits are wanted.</summary>
    public int LogitRows { get; private set; }

    /// <summary>Whether every sequence has one row, whose logits are wanted.</summary>
    public bool IsDecode { get; private set; }

    /// <summary>Embeddings that replace those of rows.</summary>
    public ReadOnlySpan<Features> Replaced => CollectionsMarshal.AsSpan(_features);

    /// <summary>The rows whose logits are wanted, in order.</summary>
    public ReadOnlySpan<RowRange> Wanted => CollectionsMarshal.AsSpan(_wanted);

    /// <summary>Ids of all rows, then zeros.</summary>
    public ReadOnlySpan<int> Ids(int rows) => Padded(_ids, rows);

    /// <summary>Positions of all rows, then zeros.</summary>
    public ReadOnlySpan<int> Positions(int rows) => Padded(_positions, rows);

    /// <summary>Empties it.</summary>
    public void Clear()
    {
        Rows = 0;
        LogitRows = 0;
        IsDecode = true;
        _features.Clear();
        _wanted.Clear();
    }

    /// <summary>Adds tokens of a sequence and returns their first row.</summary>
    /// <param name="ids">Token ids.</param>
    /// <param name="position">Position of the first.</param>
    /// <param name="logitRows">How many of them, at the end, have their logits wanted.</param>
    public int Add(ReadOnlySpan<int> ids, int position, int logitRows)
    {
        int first = Rows;
        ids.CopyTo(_ids.AsSpan(first));
        for (int i = 0; i < ids.Length; i++)
        {
            _positions[first + i] = position + i;
        }
        Rows += ids.Length;
        LogitRows += logitRows;
        IsDecode &= ids.Length == 1 && logitRows == 1;
        if (logitRows > 0)
        {
            _wanted.Add(new RowRange(Rows - logitRows, logitRows));
        }
        return first;
    }

    /// <summary>Puts embeddings [n, D] in the place of n rows.</summary>
    public void Replace(int row, Tensor values)
    {
        _features.Add(new Features(row, values));
        IsDecode = false;
    }

    private Span<int> Padded(int[] values, int rows)
    {
        values.AsSpan(Rows, rows - Rows).Clear();
        return values.AsSpan(0, rows);
    }

    internal readonly record struct Features(int Row, Tensor Values);

    internal readonly record struct RowRange(int First, int Count);
}
