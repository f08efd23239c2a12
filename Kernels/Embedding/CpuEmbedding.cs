using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Embedding;

/// <summary>A table in host memory (usually a mapped checkpoint), read a row at a time; it owns nothing.</summary>
internal sealed class CpuEmbedding : IEmbedding
{
    /// <summary>Checks that the source is a table this room reads: rows of adjacent elements, or blocks of them.</summary>
    /// <exception cref="ArgumentException">It is not.</exception>
    public CpuEmbedding(MatrixSource source)
    {
        ShapeCheck.Require(source.Rows >= 0 && source.Columns >= 0, "The table has a negative size.", nameof(source));
        if (source is StridedMatrix { ColumnStride: not 1 } strided)
        {
            throw new ArgumentException($"The elements of a table's row must be adjacent; the stride is {strided.ColumnStride}.", nameof(source));
        }
        if (source is StridedMatrix { Type: ElementType.F8E4M3, RowScales: 0 })
        {
            throw new ArgumentException("An FP8 table needs scales.", nameof(source));
        }
        if (source.Rows > 0)
        {
            source.Check();
        }
        Source = source;
    }

    /// <inheritdoc/>
    public int Rows => Source.Rows;

    /// <inheritdoc/>
    public int Columns => Source.Columns;

    /// <inheritdoc/>
    public long Bytes => Source.StoredBytes;

    internal MatrixSource Source { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The table's memory belongs to whoever mapped it.
    }
}
