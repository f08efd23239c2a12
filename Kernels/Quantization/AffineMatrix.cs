using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// A weight matrix [out, in] of codes with a scale, and perhaps an offset, for each group of columns, in panels of 32 rows as
/// <see cref="AffineLayout"/> has them. The bits of codes, scales and offsets are those that were stored. Rows that only fill
/// the last panel are zero.
/// </summary>
internal sealed unsafe class AffineMatrix : IMatrix
{
    private readonly AffineLayout _layout;
    private byte* _data;

    private AffineMatrix(int rows, int columns, CodeFormat format)
    {
        Rows = rows;
        Columns = columns;
        Codes = format;
        _layout = new AffineLayout(format, columns);
        Panels = (int)(((long)rows + AffineLayout.PanelRows - 1) / AffineLayout.PanelRows);
        Bytes = _layout.PanelBytes * Panels;
        _data = (byte*)NativeMemory.AlignedAlloc((nuint)Bytes, 64);
    }

    /// <summary>Frees the memory of a matrix that was not disposed.</summary>
    ~AffineMatrix() => Free();

    /// <inheritdoc/>
    public int Rows { get; }

    /// <inheritdoc/>
    public int Columns { get; }

    /// <inheritdoc/>
    public ElementType Format => ElementType.Int4;

    /// <inheritdoc/>
    public long Bytes { get; }

    /// <summary>The format of the codes.</summary>
    public CodeFormat Codes { get; }

    internal AffineLayout Layout => _layout;

    internal int Panels { get; }

    /// <summary>Packs matrices of one format and of equal width, stacked along the rows.</summary>
    /// <exception cref="ArgumentException">No source, widths or formats differ, or groups are not whole units of codes.</exception>
    public static AffineMatrix Pack(CodedMatrix[] stacked, ThreadTeam team)
    {
        (int rows, int columns, CodeFormat format) = Check(stacked);
        var packed = new AffineMatrix(rows, columns, format);
        using var sources = new GCHandle<CodedMatrix[]>(stacked);
        team.Run(packed.Panels, new AffinePackJob(sources, packed._data, packed._layout, rows));
        return packed;
    }

    /// <summary>Rows, columns and format of a stack.</summary>
    internal static (int Rows, int Columns, CodeFormat Format) Check(CodedMatrix[] stacked)
    {
        (int rows, int columns) = MatrixSource.CheckStack(stacked);
        CodedMatrix first = stacked[0];
        foreach (CodedMatrix source in stacked)
        {
            if (source.Format != first.Format)
            {
                throw new ArgumentException($"Cannot stack {source.Format.Name} on {first.Format.Name}.", nameof(stacked));
            }
        }
        int group = first.Format.Group(columns);
        if (first.Format.IsTwoLevel ? columns % CodeFormat.SuperColumns != 0 : group < columns && group % first.Format.Unit != 0)
        {
            throw new ArgumentException(
                $"{first.Format.Name} cannot have {columns} columns in groups of {group}: groups are multiples of {first.Format.Unit}.", nameof(stacked));
        }
        return (rows, columns, first.Format);
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
        return _data + index * _layout.PanelBytes;
    }

    /// <summary>The weight of an element.</summary>
    internal float Weight(int row, int column)
    {
        const int Rows = AffineLayout.PanelRows;
        float* supers = stackalloc float[2 * Rows], scales = stackalloc float[Rows], offsets = stackalloc float[Rows];
        byte* slab = Panel(row / Rows) + (long)(column / _layout.Slab) * _layout.SlabBytes;
        int inSlab = column % _layout.Slab, lane = row % Rows;
        AffineParameters.ReadSupers(_layout, slab, supers);
        AffineParameters.Read(_layout, slab, inSlab / _layout.Group, supers, scales, offsets);
        int code = CodeWords.Code(_layout.Bits, (uint*)(slab + _layout.CodesAt) + lane, inSlab);
        return Codes.Weight(Codes.Value(code), scales[lane], offsets[lane]);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_data);
        _data = null;
    }
}
