using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// A matrix [out, in] of codes of eight bits with a scale for each 32 columns (<see cref="KeptFormats.Int8"/>) for products of
/// integers: panels of 32 rows, each one sequential stream of blocks, a block for each 128 columns. A block is four runs of 32
/// columns, a run 16 lines of 64 bytes, then 32 halves, the scales, which a product needs last:
/// <code>
/// line 2q + v of a run, byte 4l + j:   row 16v + l, column 4q + j;   the code + 128, so 0 … 255
/// </code>
/// Missing rows and columns have scale zero.
/// </summary>
internal sealed unsafe class Int8Panels : CpuMatrix
{
    /// <summary>Rows of a panel.</summary>
    public const int PanelRows = 32;

    /// <summary>Columns that share a scale.</summary>
    public const int RunColumns = Quantiser.Int8Columns;

    /// <summary>Runs of a block.</summary>
    public const int Runs = Int8Form.GroupColumns / RunColumns;

    /// <summary>Bytes of a run's codes.</summary>
    public const int CodeBytes = PanelRows * RunColumns;

    /// <summary>Bytes of a run.</summary>
    public const int RunBytes = CodeBytes + PanelRows * sizeof(ushort);

    /// <summary>Bytes of a block.</summary>
    public const int BlockBytes = Runs * RunBytes;

    /// <summary>What is added to a code.</summary>
    public const int Bias = 128;

    /// <summary>Name of this layout.</summary>
    public const string LayoutName = "panels32-int8";

    /// <summary>How it is saved.</summary>
    internal static SavedLayout Saved { get; } = new(1, PanelRows, shape => (long)Int8Operand.Groups(shape.Columns) * BlockBytes, saved => new Int8Panels(saved.Rows, saved.Columns, saved), Read);

    private Int8Panels(int rows, int columns, SavedMatrix? saved = null)
        : base(rows, columns, KeptFormats.Int8, CpuLayout.BytePanels)
    {
        Panels = (int)(((long)rows + PanelRows - 1) / PanelRows);
        Groups = Int8Operand.Groups(columns);
        if (saved is null)
        {
            Allocate(Panels * PanelBytes, inLargePages: true);
        }
        else
        {
            Map(saved, Panels * PanelBytes);
        }
    }

    /// <summary>How x is quantised for products with them.</summary>
    public static Int8Form Operand => new(Runs, Bias);

    /// <summary>Panels of 32 rows.</summary>
    public int Panels { get; }

    /// <summary>Blocks of a panel.</summary>
    public int Groups { get; }

    /// <summary>Bytes of a panel.</summary>
    public long PanelBytes => (long)Groups * BlockBytes;

    /// <summary>Packs matrices of equal width, stacked along the rows.</summary>
    /// <param name="stacked">Codes of <see cref="KeptFormats.Int8"/>, stored so or quantised as they are read.</param>
    /// <param name="team">Shares the panels out.</param>
    /// <exception cref="ArgumentException">No source, widths differ, another format, or a width that is no multiple of 32.</exception>
    public static Int8Panels Pack(CodedMatrix[] stacked, ThreadTeam team)
    {
        (int rows, int columns, WeightFormat format) = AffineMatrix.Check(stacked);
        if (format.WhyNot(columns) is string reason || !format.HasCodesOf(KeptFormats.Int8))
        {
            throw new ArgumentException(format.WhyNot(columns) ?? $"{format} are not the codes of {KeptFormats.Int8}.", nameof(stacked));
        }
        var packed = new Int8Panels(rows, columns);
        using var sources = new GCHandle<CodedMatrix[]>(stacked);
        using var target = new GCHandle<Int8Panels>(packed);
        int perItem = TurnedRows.PanelsAtOnce(stacked);
        team.Run((packed.Panels + perItem - 1) / perItem, new Int8PanelPacking(sources, target, perItem));
        return packed;
    }

    internal byte* Panel(int index) => Data + index * PanelBytes;

    /// <summary>What <see cref="SavedLayout.Reader"/> says.</summary>
    private static float Read(byte* data, PackedShape shape, int row, int column, int width, byte* elements)
    {
        int lane = row % PanelRows;
        byte* run = data + (long)(row / PanelRows) * Int8Operand.Groups(shape.Columns) * BlockBytes + (long)(column / RunColumns) * RunBytes;
        for (int c = column % RunColumns, end = c + width; c < end; c++)
        {
            *elements++ = run[(c / 4 * PanelRows + lane) * 4 + c % 4];
        }
        return (float)((Half*)(run + CodeBytes))[lane];
    }
}
