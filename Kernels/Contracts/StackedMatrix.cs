namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// Packed matrices of different formats, one below the other: a weight whose parts were stored differently and stay as they are.
/// </summary>
internal sealed class StackedMatrix : IMatrix
{
    /// <param name="parts">At least one, of equal width; disposed with this.</param>
    public StackedMatrix(IMatrix[] parts)
    {
        Parts = parts;
        Rows = parts.Sum(part => part.Rows);
        Columns = parts[0].Columns;
        Format = parts.MaxBy(part => part.Bytes)!.Format;
        Layout = string.Join(" + ", parts.Select(part => $"{part.Format.Name} {part.Layout}"));
        Bytes = parts.Sum(part => part.Bytes);
    }

    /// <summary>The parts, from the first row on.</summary>
    public IReadOnlyList<IMatrix> Parts { get; }

    /// <inheritdoc/>
    public int Rows { get; }

    /// <inheritdoc/>
    public int Columns { get; }

    /// <summary>The format of the largest part.</summary>
    public WeightFormat Format { get; }

    /// <inheritdoc/>
    public string Layout { get; }

    /// <inheritdoc/>
    public long Bytes { get; }

    /// <inheritdoc/>
    public bool IsMapped => Parts.All(part => part.IsMapped);

    /// <inheritdoc/>
    public string? PackedAgain => Parts.Select(part => part.PackedAgain).FirstOrDefault(reason => reason is not null);

    /// <summary>
    /// Sources that stay in formats of their own as runs of equal ones; one run where the stack has a common format or is made
    /// of plain numbers only.
    /// </summary>
    public static IReadOnlyList<MatrixSource[]> Runs(ReadOnlySpan<MatrixSource> stacked)
    {
        MatrixSource[] sources = MatrixSource.Flatten(stacked);
        if (!Array.Exists(sources, source => source.Format is { Scale: not ScaleKind.None }))
        {
            return [sources];
        }
        List<MatrixSource[]> runs = [];
        for (int first = 0, end; first < sources.Length; first = end)
        {
            for (end = first + 1; end < sources.Length && sources[end].Format == sources[first].Format; end++)
            {
            }
            runs.Add(sources[first..end]);
        }
        return runs;
    }

    /// <summary>Packs each run of a stack by itself.</summary>
    public static IMatrix Pack(ReadOnlySpan<MatrixSource> stacked, Func<MatrixSource[], IMatrix> pack)
    {
        MatrixSource.CheckStack(stacked);
        IReadOnlyList<MatrixSource[]> runs = Runs(stacked);
        if (runs.Count == 1)
        {
            return pack(runs[0]);
        }
        var parts = new List<IMatrix>();
        try
        {
            parts.AddRange(runs.Select(pack));
            return new StackedMatrix([.. parts]);
        }
        catch
        {
            parts.ForEach(part => part.Dispose());
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IMatrix part in Parts)
        {
            part.Dispose();
        }
    }
}
