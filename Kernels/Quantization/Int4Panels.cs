using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// An int4 matrix [out, in] for products of integers: panels of 64 rows, each one sequential stream of blocks, a block for each
/// 128 columns. A block is 64 lines of 64 bytes, then 64 float32 scales, which a product needs last:
/// <code>
/// line 4q + v, byte 4l + j:   row 16v + l;   low half column 8q + j, high half column 8q + 4 + j;   each code + 8, so 0 … 15
/// </code>
/// Missing rows of the last panel have codes and scales of zero.
/// </summary>
internal sealed unsafe class Int4Panels : CpuMatrix
{
    /// <summary>Rows of a panel.</summary>
    public const int PanelRows = 64;

    /// <summary>Columns of a block.</summary>
    public const int GroupColumns = Int8Form.GroupColumns;

    /// <summary>What is added to a code.</summary>
    public const int Bias = 8;

    /// <summary>How x is quantised for products with them.</summary>
    public static Int8Form Operand => new(1, Bias);

    /// <summary>Bytes of a block's codes.</summary>
    public const int CodeBytes = PanelRows * GroupColumns / 2;

    /// <summary>Bytes of a block.</summary>
    public const int BlockBytes = CodeBytes + PanelRows * sizeof(float);

    /// <summary>Name of this layout.</summary>
    public const string LayoutName = "panels64";

    /// <summary>How it is saved.</summary>
    internal static SavedLayout Saved { get; } = new(1, PanelRows, shape => (long)(shape.Columns / GroupColumns) * BlockBytes, Of, Read);

    private Int4Panels(StackedSources shape, SavedMatrix? saved = null)
        : base(shape.Rows, shape.Columns, shape.Format, CpuLayout.IntegerPanels)
    {
        Panels = (int)(((long)Rows + PanelRows - 1) / PanelRows);
        Groups = Columns / GroupColumns;
        if (saved is null)
        {
            Allocate((long)Panels * PanelBytes, inLargePages: true);
        }
        else
        {
            Map(saved, (long)Panels * PanelBytes);
        }
    }

    /// <summary>Panels of 64 rows.</summary>
    public int Panels { get; }

    /// <summary>Blocks of a panel.</summary>
    public int Groups { get; }

    /// <summary>Bytes of a panel.</summary>
    public long PanelBytes => (long)Groups * BlockBytes;

    /// <summary>Packs matrices of equal width, stacked along the rows; codes that are stored in the format are kept.</summary>
    /// <param name="stacked">Sources [·, in].</param>
    /// <param name="team">Shares the panels out.</param>
    /// <exception cref="ArgumentException">No source, one without data, widths differ, or a width that is no multiple of 128.</exception>
    public static Int4Panels Pack(ReadOnlySpan<MatrixSource> stacked, ThreadTeam team)
    {
        var packed = new Int4Panels(StackedSources.Check(stacked, WeightFormat.Int4));
        using var sources = new GCHandle<MatrixSource[]>(MatrixSource.Flatten(stacked));
        using var target = new GCHandle<Int4Panels>(packed);
        team.Run(Int4PanelPacking.Items(packed.Panels), new Int4PanelPacking(sources, target));
        return packed;
    }

    internal byte* Panel(int index) => Data + index * PanelBytes;

    private static Int4Panels Of(SavedMatrix saved) => new(new StackedSources(saved.Rows, saved.Columns, saved.Shape.Format), saved);

    /// <summary>What <see cref="SavedLayout.Reader"/> says.</summary>
    private static float Read(byte* data, PackedShape shape, int row, int column, int width, byte* elements)
    {
        int groups = shape.Columns / GroupColumns, lane = row % PanelRows;
        byte* block = data + ((long)(row / PanelRows) * groups + column / GroupColumns) * BlockBytes;
        for (int c = column % GroupColumns, end = c + width; c < end; c++)
        {
            byte pair = block[c / 8 * 4 * PanelRows + lane * 4 + c % 4];
            *elements++ = (byte)(c % 8 < 4 ? pair & 15 : pair >> 4);
        }
        return ((float*)(block + CodeBytes))[lane];
    }
}
