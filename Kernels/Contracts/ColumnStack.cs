using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Contracts;

/// <summary>Matrices of equal height, one beside the other: a weight whose input features lie in several places.</summary>
public sealed unsafe record ColumnStack : MatrixSource
{
    private readonly MatrixSource[] _parts;

    /// <summary>Joins them.</summary>
    /// <param name="parts">At least one.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is none.</exception>
    /// <exception cref="OverflowException">Together they have more than 2³¹ − 1 columns.</exception>
    public ColumnStack(params MatrixSource[] parts)
        : base(parts is [MatrixSource first, ..] ? first.Rows : 0, ColumnsOf(parts))
    {
        _parts = parts;
    }

    /// <inheritdoc/>
    public override ElementType? PlainType => RowStack.Common(_parts);

    /// <inheritdoc/>
    public override IEnumerable<(nint Address, long Bytes)> Extents => _parts.SelectMany(part => part.Extents);

    /// <inheritdoc/>
    public override long StoredBytes => _parts.Sum(part => part.StoredBytes);

    /// <inheritdoc/>
    internal override void Read(int row, int column, int width, float* values)
    {
        for (int done = 0; done < width;)
        {
            MatrixSource part = Find(column + done, out int first);
            int count = Math.Min(width - done, part.Columns - first);
            part.Read(row, first, count, values + done);
            done += count;
        }
    }

    /// <inheritdoc/>
    internal override void Copy(int row, int column, int width, byte* elements)
    {
        int size = _parts[0].PlainType!.Value.Size();
        for (int done = 0; done < width;)
        {
            MatrixSource part = Find(column + done, out int first);
            int count = Math.Min(width - done, part.Columns - first);
            part.Copy(row, first, count, elements + (long)done * size);
            done += count;
        }
    }

    /// <inheritdoc/>
    internal override void Check()
    {
        foreach (MatrixSource part in _parts)
        {
            if (part.Rows != Rows || part.Columns <= 0)
            {
                throw new ArgumentException($"Cannot put [{part.Rows}, {part.Columns}] beside [{Rows}, {_parts[0].Columns}].");
            }
            part.Check();
        }
    }

    private static int ColumnsOf(MatrixSource[] parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentOutOfRangeException.ThrowIfZero(parts.Length, nameof(parts));
        return checked(parts.Sum(part => part.Columns));
    }

    private MatrixSource Find(int column, out int first)
    {
        int i = 0;
        for (; column >= _parts[i].Columns; i++)
        {
            column -= _parts[i].Columns;
        }
        first = column;
        return _parts[i];
    }
}
