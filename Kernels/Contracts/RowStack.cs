using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Contracts;

/// <summary>Matrices of equal width, one below the other: a weight whose output features lie in several places.</summary>
public sealed unsafe record RowStack : MatrixSource
{
    private readonly MatrixSource[] _parts;

    /// <summary>Joins them.</summary>
    /// <param name="parts">At least one.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is none.</exception>
    /// <exception cref="OverflowException">Together they have more than 2³¹ − 1 rows.</exception>
    public RowStack(params MatrixSource[] parts)
        : base(RowsOf(parts), parts[0].Columns)
    {
        _parts = parts;
    }

    /// <inheritdoc/>
    public override ElementType? PlainType => Common(_parts);

    /// <inheritdoc/>
    public override IEnumerable<(nint Address, long Bytes)> Extents => _parts.SelectMany(part => part.Extents);

    /// <inheritdoc/>
    public override long StoredBytes => _parts.Sum(part => part.StoredBytes);

    internal ReadOnlySpan<MatrixSource> Parts => _parts;

    /// <summary>The plain type that all parts have, or null.</summary>
    internal static ElementType? Common(ReadOnlySpan<MatrixSource> parts)
    {
        ElementType? type = parts[0].PlainType;
        foreach (MatrixSource part in parts)
        {
            type = part.PlainType == type ? type : null;
        }
        return type;
    }

    /// <inheritdoc/>
    internal override void Read(int row, int column, int width, float* values) => Find(ref row).Read(row, column, width, values);

    /// <inheritdoc/>
    internal override void Copy(int row, int column, int width, byte* elements) => Find(ref row).Copy(row, column, width, elements);

    /// <inheritdoc/>
    internal override void Check() => CheckStack(_parts);

    private static int RowsOf(MatrixSource[] parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentOutOfRangeException.ThrowIfZero(parts.Length, nameof(parts));
        return checked(parts.Sum(part => part.Rows));
    }

    /// <summary>The part that has a row, which becomes the row within it.</summary>
    internal MatrixSource Find(ref int row)
    {
        int i = 0;
        for (; row >= _parts[i].Rows; i++)
        {
            row -= _parts[i].Rows;
        }
        return _parts[i];
    }
}
