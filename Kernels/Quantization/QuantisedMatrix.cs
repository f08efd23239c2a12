using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// A weight matrix [out, in] of codes with scales, in panels of 32 rows. A panel is a sequence of blocks; a block has 32 float32
/// scales (one per row) and then steps of 32 bytes, a byte per row. FP8: one block, a step per column. int4: a block per 128
/// columns, a step per column pair, the even column in the low nibble. Missing rows are zero codes with scale zero.
/// </summary>
public sealed unsafe class QuantisedMatrix : IMatrix
{
    /// <summary>Rows of a panel.</summary>
    public const int PanelRows = 32;

    /// <summary>Inputs that share a scale in int4.</summary>
    public const int GroupColumns = 128;

    internal const int ScaleBytes = PanelRows * sizeof(float);

    private byte* _data;

    private QuantisedMatrix(int rows, int columns, WeightFormat format)
    {
        Rows = rows;
        Columns = columns;
        Format = format == WeightFormat.Int4 ? ElementType.Int4 : ElementType.F8E4M3;
        QuantisesActivations = format == WeightFormat.Fp8;
        Panels = (int)(((long)rows + PanelRows - 1) / PanelRows);
        Blocks = Format == ElementType.Int4 ? columns / GroupColumns : 1;
        Steps = Format == ElementType.Int4 ? GroupColumns / 2 : columns;
        BlockBytes = ScaleBytes + (long)Steps * PanelRows;
        Bytes = BlockBytes * Blocks * Panels;
        _data = (byte*)NativeMemory.AlignedAlloc((nuint)Bytes, 64);
    }

    /// <summary>Frees the memory of a matrix that was not disposed.</summary>
    ~QuantisedMatrix() => Free();

    /// <inheritdoc/>
    public int Rows { get; }

    /// <inheritdoc/>
    public int Columns { get; }

    /// <inheritdoc/>
    public ElementType Format { get; }

    /// <inheritdoc/>
    public long Bytes { get; }

    /// <summary>Whether a product first quantises each row of x to E4M3.</summary>
    public bool QuantisesActivations { get; }

    internal int Panels { get; }

    /// <summary>Blocks of a panel.</summary>
    internal int Blocks { get; }

    /// <summary>Steps of 32 bytes in a block.</summary>
    internal int Steps { get; }

    internal long BlockBytes { get; }

    /// <summary>Quantises and packs matrices of equal width, stacked along the rows; stored FP8 keeps its codes and scales.</summary>
    /// <param name="stacked">Sources [·, in].</param>
    /// <param name="format">Int4, Fp8, or Stored for sources that are all FP8.</param>
    /// <param name="team">Shares the panels out.</param>
    /// <exception cref="ArgumentException">
    /// No source, one without data, widths differ, an input that is no multiple of 128 for int4, or sources that are not FP8 for Stored.
    /// </exception>
    public static QuantisedMatrix Pack(ReadOnlySpan<MatrixSource> stacked, WeightFormat format, ThreadTeam team)
    {
        (int rows, int columns) = MatrixSource.CheckStack(stacked);
        MatrixSource[] sources = MatrixSource.Flatten(stacked);
        if (format == WeightFormat.Stored && Array.Find(sources, source => source is not StridedMatrix { Type: ElementType.F8E4M3 }) is { } other)
        {
            throw new ArgumentException($"A {other.GetType().Name} of {other.PlainType} has no stored codes.", nameof(stacked));
        }
        if (format == WeightFormat.Int4 && columns % GroupColumns != 0)
        {
            throw new ArgumentException($"int4 weights need a multiple of {GroupColumns} inputs, not {columns}.", nameof(stacked));
        }
        var packed = new QuantisedMatrix(rows, columns, format);
        using var handle = new GCHandle<MatrixSource[]>(sources);
        team.Run(packed.Panels, new QuantiseJob(handle, packed._data, packed.BlockBytes, packed.Blocks, packed.Steps, columns, packed.Format));
        return packed;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    internal byte* Panel(int index)
    {
        ObjectDisposedException.ThrowIf(_data == null, this);
        return _data + index * BlockBytes * Blocks;
    }

    /// <summary>The code of an element: a byte (FP8) or a number from −8 to 7 (int4).</summary>
    internal int Code(int row, int column)
    {
        byte* block = Panel(row / PanelRows) + (Format == ElementType.Int4 ? column / GroupColumns * BlockBytes : 0) + ScaleBytes;
        return Format == ElementType.Int4
            ? (sbyte)(block[column % GroupColumns / 2 * PanelRows + row % PanelRows] << (column % 2 == 0 ? 4 : 0)) >> 4
            : block[(long)column * PanelRows + row % PanelRows];
    }

    /// <summary>The scale of an element.</summary>
    internal float Scale(int row, int column) =>
        ((float*)(Panel(row / PanelRows) + (Format == ElementType.Int4 ? column / GroupColumns * BlockBytes : 0)))[row % PanelRows];

    private void Free()
    {
        NativeMemory.AlignedFree(_data);
        _data = null;
    }
}
