namespace Llama4Kernels.Kernels.Contracts;

/// <summary>Matrices of equal width that become one, stacked along the rows, and the format that it gets.</summary>
/// <param name="Rows">Rows of all together.</param>
/// <param name="Columns">Columns of each.</param>
/// <param name="Format">The format.</param>
internal readonly record struct StackedSources(int Rows, int Columns, WeightFormat Format)
{
    /// <summary>Checks what is to be stacked.</summary>
    /// <param name="stacked">The matrices.</param>
    /// <param name="format">The format; null keeps what is stored: bfloat16 and FP8 stay if all are, all else becomes float32.</param>
    /// <exception cref="ArgumentException">No source, one without data, widths differ, or a width that the format cannot have.</exception>
    public static StackedSources Check(ReadOnlySpan<MatrixSource> stacked, WeightFormat? format)
    {
        if (stacked.IsEmpty)
        {
            throw new ArgumentException("There is nothing to pack.", nameof(stacked));
        }
        int rows = 0, columns = stacked[0].Columns;
        WeightFormat? stored = stacked[0].Format;
        foreach (MatrixSource source in stacked)
        {
            if (source.Columns != columns || source.Rows <= 0 || columns <= 0 || source.Data == 0)
            {
                throw new ArgumentException($"Cannot stack [{source.Rows}, {source.Columns}] on [{stacked[0].Rows}, {columns}].", nameof(stacked));
            }
            stored = source.Format == stored ? stored : null;
            rows = checked(rows + source.Rows);
        }
        // As a weight, half has no product of its own: float32 holds its numbers exactly.
        format ??= stored is null || stored == WeightFormat.F16 ? WeightFormat.F32 : stored;
        return format.WhyNot(columns) is string reason ? throw new ArgumentException(reason, nameof(stacked)) : new StackedSources(rows, columns, format);
    }
}
