using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// A logical weight matrix [out, in] as it lies in host memory (usually a mapped checkpoint), readable a piece of a row at a
/// time. There is one subclass for each way of storing a matrix; packing, upload and quantising know only this reader, and
/// test for a subclass where they can take its bits over unchanged.
/// </summary>
/// <param name="Rows">Output features.</param>
/// <param name="Columns">Input features.</param>
public abstract unsafe record MatrixSource(int Rows, int Columns)
{
    /// <summary>The element type if each element is stored by itself and unscaled; null for codes with scales and for blocks.</summary>
    public abstract ElementType? PlainType { get; }

    /// <summary>The format it is stored in; null where no format of the list, or more than one, says it.</summary>
    public virtual WeightFormat? Format => PlainType is ElementType type ? WeightFormat.Of(type) : null;

    /// <summary>The stretches of memory that hold the matrix; they may hold parts of others too.</summary>
    public abstract IEnumerable<(nint Address, long Bytes)> Extents { get; }

    /// <summary>Bytes that the matrix itself takes where it is stored.</summary>
    public virtual long StoredBytes => Extents.Sum(extent => extent.Bytes);

    /// <summary>Writes a row as float32, exactly.</summary>
    /// <param name="row">Which row.</param>
    /// <param name="values">[Columns]</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    /// <exception cref="ArgumentException">The span has another length than a row.</exception>
    public void ReadRow(int row, Span<float> values)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Rows);
        if (values.Length != Columns)
        {
            throw new ArgumentException($"A row has {Columns} elements, not {values.Length}.", nameof(values));
        }
        fixed (float* to = values)
        {
            Read(row, 0, Columns, to);
        }
    }

    /// <summary>Copies a row as it is stored.</summary>
    /// <param name="row">Which row.</param>
    /// <param name="elements">Gets its elements, without gaps.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    /// <exception cref="ArgumentException">The span has another length than a row.</exception>
    /// <exception cref="NotSupportedException">The matrix has no <see cref="PlainType"/>.</exception>
    public void CopyRow(int row, Span<byte> elements)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Rows);
        ElementType type = PlainType ?? throw new NotSupportedException("The matrix has no elements of their own.");
        if (elements.Length != (long)Columns * type.Size())
        {
            throw new ArgumentException($"A row has {(long)Columns * type.Size()} bytes, not {elements.Length}.", nameof(elements));
        }
        fixed (byte* to = elements)
        {
            Copy(row, 0, Columns, to);
        }
    }

    /// <summary>A row-major [out, in] matrix without gaps.</summary>
    public static StridedMatrix RowMajor(nint data, ElementType type, int rows, int columns) =>
        new(data, type, rows, columns, columns, 1);

    /// <summary>Writes elements (row, column) … (row, column + width − 1) as float32, exactly.</summary>
    internal abstract void Read(int row, int column, int width, float* values);

    /// <summary>Copies the same elements as they are stored; only for a matrix with a <see cref="PlainType"/>.</summary>
    internal abstract void Copy(int row, int column, int width, byte* elements);

    /// <summary>Some of its rows.</summary>
    internal virtual MatrixSource Slice(int first, int rows) => rows == Rows ? this : new RowSlice(this, first, rows);

    /// <summary>This matrix and the one below it as one, if that continues this one in memory.</summary>
    internal virtual MatrixSource? TryJoin(MatrixSource below) => null;

    /// <summary>Throws if the matrix cannot be read.</summary>
    /// <exception cref="ArgumentException">It has no memory or no size, or a type that no reader knows.</exception>
    internal abstract void Check();

    /// <summary>Rows and columns of matrices that are stacked along the rows, each of them checked.</summary>
    /// <exception cref="ArgumentException">There is none, one cannot be read, or widths differ.</exception>
    internal static (int Rows, int Columns) CheckStack(ReadOnlySpan<MatrixSource> stacked)
    {
        if (stacked.IsEmpty)
        {
            throw new ArgumentException("There is nothing to pack.", nameof(stacked));
        }
        int rows = 0, columns = stacked[0].Columns;
        foreach (MatrixSource source in stacked)
        {
            if (source.Columns != columns || source.Rows <= 0 || columns <= 0)
            {
                throw new ArgumentException($"Cannot stack [{source.Rows}, {source.Columns}] on [{stacked[0].Rows}, {columns}].", nameof(stacked));
            }
            source.Check();
            rows = checked(rows + source.Rows);
        }
        return (rows, columns);
    }

    /// <summary>Some rows of a flat stack.</summary>
    internal static MatrixSource[] Slice(ReadOnlySpan<MatrixSource> flat, int first, int rows)
    {
        List<MatrixSource> slices = [];
        foreach (MatrixSource source in flat)
        {
            int from = Math.Max(first, 0), end = Math.Min(first + rows, source.Rows);
            if (from < end)
            {
                slices.Add(source.Slice(from, end - from));
            }
            first -= source.Rows;
        }
        return [.. slices];
    }

    /// <summary>The same stack with row stacks resolved and with neighbours in memory joined, so that kernels see long stretches.</summary>
    internal static MatrixSource[] Flatten(ReadOnlySpan<MatrixSource> stacked)
    {
        List<MatrixSource> flat = [];
        foreach (MatrixSource source in stacked)
        {
            foreach (MatrixSource part in source is RowStack stack ? Flatten(stack.Parts) : [source])
            {
                if (flat.Count > 0 && flat[^1].TryJoin(part) is { } joined)
                {
                    flat[^1] = joined;
                }
                else
                {
                    flat.Add(part);
                }
            }
        }
        return [.. flat];
    }
}
