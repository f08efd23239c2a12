using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Embedding;

/// <summary>A table in host memory (usually a mapped checkpoint), read a row at a time; it owns nothing.</summary>
internal sealed class CpuEmbedding : IEmbedding
{
    /// <summary>Checks that the source is a table this room reads: float32, bf16 or half, elements of a row adjacent.</summary>
    /// <exception cref="ArgumentException">It is not.</exception>
    public CpuEmbedding(MatrixSource source)
    {
        ShapeCheck.Require(source.Data != 0 || source.Rows == 0, "The table has no memory.", nameof(source));
        ShapeCheck.Require(source.Rows >= 0 && source.Columns >= 0, "The table has a negative size.", nameof(source));
        if (source.ColumnStride != 1)
        {
            throw new ArgumentException($"The elements of a table's row must be adjacent; the stride is {source.ColumnStride}.", nameof(source));
        }
        if (source.Type is not (ElementType.F32 or ElementType.BF16 or ElementType.F16))
        {
            throw new ArgumentException($"Embedding tables are float32, bf16 or half, not {source.Type}.", nameof(source));
        }
        Source = source;
    }

    /// <inheritdoc/>
    public int Rows => Source.Rows;

    /// <inheritdoc/>
    public int Columns => Source.Columns;

    internal MatrixSource Source { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The table's memory belongs to whoever mapped it.
    }
}
