using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Contracts;

/// <summary>Some rows of a matrix, for sources that cannot say it themselves.</summary>
/// <param name="Source">The matrix.</param>
/// <param name="First">Its first row.</param>
/// <param name="Rows">How many.</param>
internal sealed unsafe record RowSlice(MatrixSource Source, int First, int Rows) : MatrixSource(Rows, Source.Columns)
{
    /// <inheritdoc/>
    public override ElementType? PlainType => Source.PlainType;

    /// <summary>Those of the whole matrix: which of them hold the rows is not known.</summary>
    public override IEnumerable<(nint Address, long Bytes)> Extents => Source.Extents;

    /// <inheritdoc/>
    public override long StoredBytes => Source.StoredBytes / Source.Rows * Rows;

    /// <inheritdoc/>
    internal override void Read(int row, int column, int width, float* values) => Source.Read(First + row, column, width, values);

    /// <inheritdoc/>
    internal override void Copy(int row, int column, int width, byte* elements) => Source.Copy(First + row, column, width, elements);

    /// <inheritdoc/>
    internal override void Check() => Source.Check();
}
