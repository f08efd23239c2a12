namespace Llama4Kernels.Kernels.Contracts;

/// <summary>What matrices of equal width, stacked along the rows, become: their shape together and the format.</summary>
/// <param name="Rows">Rows of all together.</param>
/// <param name="Columns">Columns of each.</param>
/// <param name="Format">The format.</param>
internal readonly record struct StackedSources(int Rows, int Columns, WeightFormat Format)
{
    /// <summary>Checks what is to be stacked.</summary>
    /// <param name="stacked">The matrices.</param>
    /// <param name="format">The format; null keeps what is stored: bfloat16 and FP8 stay if all are, all else becomes float32.</param>
    /// <exception cref="ArgumentException">No source, one that cannot be read, widths differ, or a width that the format cannot have.</exception>
    public static StackedSources Check(ReadOnlySpan<MatrixSource> stacked, WeightFormat? format)
    {
        (int rows, int columns) = MatrixSource.CheckStack(stacked);
        if (format is null)
        {
            MatrixSource[] sources = MatrixSource.Flatten(stacked);
            // As a weight, half has no product of its own: float32 holds its numbers exactly, as it does any others.
            WeightFormat? stored = sources[0].Format == WeightFormat.F16 ? null : sources[0].Format;
            format = stored is not null && Array.TrueForAll(sources, source => source.Format == stored) ? stored : WeightFormat.F32;
        }
        return format.WhyNot(columns) is string reason ? throw new ArgumentException(reason, nameof(stacked)) : new StackedSources(rows, columns, format);
    }
}
