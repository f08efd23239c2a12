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
        StackedSources stored = Stored(stacked);
        format ??= stored.Format;
        return format.WhyNot(stored.Columns) is string reason ? throw new ArgumentException(reason, nameof(stacked)) : stored with { Format = format };
    }

    /// <summary>As <see cref="Check"/>, with the format that keeps what is stored, whether or not there are products for it.</summary>
    /// <exception cref="ArgumentException">No source, one that cannot be read, or widths differ.</exception>
    public static StackedSources Stored(ReadOnlySpan<MatrixSource> stacked)
    {
        (int rows, int columns) = MatrixSource.CheckStack(stacked);
        MatrixSource[] sources = MatrixSource.Flatten(stacked);
        // float32 holds the numbers of any format exactly.
        WeightFormat? stored = sources[0].Format is { IsOnlyStored: false } own ? own : null;
        return new StackedSources(rows, columns, stored is not null && Array.TrueForAll(sources, source => source.Format == stored) ? stored : WeightFormat.F32);
    }
}
