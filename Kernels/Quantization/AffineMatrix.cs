using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// A weight matrix [out, in] of codes with a scale, and perhaps an offset, for each group of columns, in panels of 32 rows as
/// <see cref="AffineLayout"/> has them; <see cref="CodeOrder"/> is that of the codes in a word. The bits of codes, scales and offsets are those that were stored. Rows that only fill
/// the last panel are zero.
/// </summary>
internal sealed unsafe class AffineMatrix : CpuMatrix
{
    private readonly AffineLayout _layout;
    private readonly CodeOrder _order;

    /// <summary>How those that the engine makes are saved, in the order for products of numbers.</summary>
    internal static SavedLayout Saved { get; } =
        new(1, AffineLayout.PanelRows, shape => new AffineLayout(shape.Format, shape.Columns).PanelBytes, saved => new AffineMatrix(saved.Rows, saved.Columns, saved.Shape.Format, CodeOrder.Words, saved), Read)
        { Only = KeptFormats.Int8 };

    private AffineMatrix(int rows, int columns, WeightFormat format, CodeOrder order, SavedMatrix? saved = null)
        : base(rows, columns, format, order == CodeOrder.Words ? CpuLayout.Slabs : CpuLayout.Lines)
    {
        _order = order;
        _layout = new AffineLayout(format, columns);
        PanelCount = AffinePanel.Count(rows);
        if (saved is null)
        {
            // Loading does not wait for large pages; the system makes some while the matrix is in use.
            Allocate(_layout.PanelBytes * PanelCount, inLargePages: false);
        }
        else
        {
            Map(saved, _layout.PanelBytes * PanelCount);
        }
    }

    internal ref readonly AffineLayout Panels => ref _layout;

    internal int PanelCount { get; }

    /// <summary>Packs matrices of one format and of equal width, stacked along the rows.</summary>
    /// <param name="stacked">The matrices.</param>
    /// <param name="order">In which order codes stand in words.</param>
    /// <param name="team">Shares the panels out.</param>
    /// <exception cref="ArgumentException">No source, widths or formats differ, or groups are not whole units of codes.</exception>
    public static AffineMatrix Pack(CodedMatrix[] stacked, CodeOrder order, ThreadTeam team)
    {
        (int rows, int columns, WeightFormat format) = Check(stacked);
        var packed = new AffineMatrix(rows, columns, format, order);
        using var sources = new GCHandle<CodedMatrix[]>(stacked);
        team.Run(packed.PanelCount, new AffinePackJob(sources, packed.Data, packed._layout, order.Pack, order == CodeOrder.Lines, rows));
        packed.LetPagesGrow();
        return packed;
    }

    /// <summary>Rows, columns and format of a stack.</summary>
    internal static (int Rows, int Columns, WeightFormat Format) Check(CodedMatrix[] stacked)
    {
        (int rows, int columns) = MatrixSource.CheckStack(stacked);
        CodedMatrix first = stacked[0];
        foreach (CodedMatrix source in stacked)
        {
            if (source.Codes != first.Codes)
            {
                throw new ArgumentException($"Cannot stack {source.Codes.Name} on {first.Codes.Name}.", nameof(stacked));
            }
        }
        int group = first.Codes.Group(columns);
        if (first.Codes.IsTwoLevel ? columns % WeightFormat.SuperColumns != 0 : group < columns && group % first.Codes.Unit != 0)
        {
            throw new ArgumentException(
                $"{first.Codes.Name} cannot have {columns} columns in groups of {group}: groups are multiples of {first.Codes.Unit}.", nameof(stacked));
        }
        return (rows, columns, first.Codes);
    }

    internal byte* Panel(int index) => Data + index * _layout.PanelBytes;

    /// <summary>What <see cref="SavedLayout.Reader"/> says.</summary>
    private static float Read(byte* data, PackedShape shape, int row, int column, int width, byte* elements)
    {
        const int Rows = AffineLayout.PanelRows;
        var layout = new AffineLayout(shape.Format, shape.Columns);
        int lane = row % Rows, inSlab = column % layout.Slab;
        byte* slab = data + row / Rows * layout.PanelBytes + (long)(column / layout.Slab) * layout.SlabBytes;
        uint* words = (uint*)(slab + layout.CodesAt) + lane;
        for (int c = inSlab; c < inSlab + width; c++)
        {
            *elements++ = (byte)CodeOrder.Words.Code(layout.Bits, words, c);
        }
        return (float)((Half*)(slab + layout.ScalesAt))[inSlab / layout.Group * Rows + lane];
    }

    /// <summary>The weight of an element.</summary>
    internal float Weight(int row, int column)
    {
        const int Rows = AffineLayout.PanelRows;
        float* supers = stackalloc float[2 * Rows], scales = stackalloc float[Rows], offsets = stackalloc float[Rows];
        byte* slab = Panel(row / Rows) + (long)(column / _layout.Slab) * _layout.SlabBytes;
        int inSlab = column % _layout.Slab, lane = row % Rows;
        if (_layout.Offset == OffsetKind.None)
        {
            AffineParameters.NoOffsets(offsets, 1, Rows);
        }
        AffineParameters.ReadSupers(_layout, slab, supers);
        AffineParameters.Read(_layout, slab, inSlab / _layout.Group, supers, scales, offsets);
        int code = _order.Code(_layout.Bits, (uint*)(slab + _layout.CodesAt) + lane, inSlab);
        return Format.Weight(Format.Value(code), scales[lane], offsets[lane]);
    }
}
