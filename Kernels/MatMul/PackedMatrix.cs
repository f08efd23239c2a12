using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// A weight matrix [out, in] in panels of 32 rows, so that a vector lane is a row and no product needs a horizontal sum. A
/// panel is a sequence of blocks, one for each group of columns that shares scales (one in all where rows have one scale or
/// none), and one sequential stream. A block is 32 scales, if the format has any, then steps:
/// <list type="bullet">
/// <item>f32: a column, 32 rows, 128 bytes</item>
/// <item>bf16: a pair of columns (2p, 2p+1), 32 rows × 2 values, 128 bytes, also the operand of the BF16 dot product</item>
/// <item>8 bits: a column, 32 bytes, a byte a row</item>
/// <item>4 bits: a pair of columns, 32 bytes, a byte a row, the even column in the low half</item>
/// </list>
/// Rows are padded to 32 and columns to a step, or to two of a byte each, with zeros.
/// </summary>
internal sealed unsafe class PackedMatrix : CpuMatrix
{
    /// <summary>Rows of a panel.</summary>
    public const int PanelRows = 32;

    /// <summary>Name of this layout.</summary>
    public const string LayoutName = "panels32";

    /// <summary>How it is saved.</summary>
    internal static SavedLayout Saved { get; } = new(1, PanelRows, shape => PanelBlocks.Of(shape.Format, shape.Columns).PanelBytes, Of, Read);

    private PackedMatrix(StackedSources shape, SavedMatrix? saved = null)
        : base(shape.Rows, shape.Columns, shape.Format, CpuLayout.Panels)
    {
        Panels = (int)(((long)Rows + PanelRows - 1) / PanelRows);
        (Blocks, Steps, HeaderBytes, BlockBytes) = PanelBlocks.Of(Format, Columns);
        if (saved is null)
        {
            Allocate(PanelBytes * Panels, inLargePages: true);
        }
        else
        {
            Map(saved, PanelBytes * Panels);
        }
    }

    /// <summary>Numbers, not codes with scales.</summary>
    internal bool IsDense => Format.Scale == ScaleKind.None;

    /// <summary>Panels of 32 rows.</summary>
    internal int Panels { get; }

    /// <summary>Blocks of a panel.</summary>
    internal int Blocks { get; }

    /// <summary>Steps of a block.</summary>
    internal int Steps { get; }

    /// <summary>Bytes of a block's scales.</summary>
    internal int HeaderBytes { get; }

    internal long BlockBytes { get; }

    internal long PanelBytes => BlockBytes * Blocks;

    /// <summary>Packs matrices of equal width, stacked along the rows; codes that are stored in the format are kept.</summary>
    /// <param name="stacked">Sources [·, in].</param>
    /// <param name="format">The format; null keeps what is stored.</param>
    /// <param name="team">Shares the panels out.</param>
    /// <exception cref="ArgumentException">No source, one without data, widths differ, or a width that the format cannot have.</exception>
    /// <exception cref="NotSupportedException">The processor has no product for the format.</exception>
    public static PackedMatrix Pack(ReadOnlySpan<MatrixSource> stacked, WeightFormat? format, ThreadTeam team)
    {
        StackedSources shape = StackedSources.Check(stacked, format);
        if (shape.Format.IsOnlyStored)
        {
            throw new NotSupportedException($"There is no product with {shape.Format} weights; take f32.");
        }
        var packed = new PackedMatrix(shape);
        using var sources = new GCHandle<MatrixSource[]>(MatrixSource.Flatten(stacked));
        if (packed.IsDense)
        {
            var job = new PackJob(sources, packed.Data, packed.Rows, packed.Columns, packed.Format.Bits == 16);
            team.Run(job.Items, job);
        }
        else
        {
            using var target = new GCHandle<PackedMatrix>(packed);
            int perItem = TurnedRows.PanelsAtOnce(sources.Target);
            team.Run((packed.Panels + perItem - 1) / perItem, new QuantiseJob(sources, target, perItem));
        }
        return packed;
    }

    internal byte* Panel(int index) => Data + index * PanelBytes;

    private static PackedMatrix Of(SavedMatrix saved) => new(new StackedSources(saved.Rows, saved.Columns, saved.Shape.Format), saved);

    /// <summary>What <see cref="SavedLayout.Reader"/> says.</summary>
    private static float Read(byte* data, PackedShape shape, int row, int column, int width, byte* elements)
    {
        PanelBlocks blocks = PanelBlocks.Of(shape.Format, shape.Columns);
        int group = shape.Columns / blocks.Blocks, block = column / group, lane = row % PanelRows;
        byte* at = data + row / PanelRows * blocks.PanelBytes + block * blocks.BlockBytes;
        float scale = blocks.HeaderBytes == 0 ? 1 : ((float*)at)[lane];
        at += blocks.HeaderBytes;
        column -= block * group;
        for (int end = column + width; column < end; column++)
        {
            switch (shape.Format.Bits)
            {
                case 4:
                    *elements++ = (byte)((at[column / 2 * PanelRows + lane] >> (column % 2 * 4) & 15) ^ 8);
                    break;
                case 8:
                    *elements++ = at[(long)column * PanelRows + lane];
                    break;
                case 16:
                    *(ushort*)elements = ((ushort*)at)[((long)(column / 2) * PanelRows + lane) * 2 + column % 2];
                    elements += sizeof(ushort);
                    break;
                default:
                    *(uint*)elements = ((uint*)at)[(long)column * PanelRows + lane];
                    elements += sizeof(uint);
                    break;
            }
        }
        return scale;
    }

    /// <summary>What a panel consists of.</summary>
    private readonly record struct PanelBlocks(int Blocks, int Steps, int HeaderBytes, long BlockBytes)
    {
        public long PanelBytes => BlockBytes * Blocks;

        public static PanelBlocks Of(WeightFormat format, int inputs)
        {
            int blocks = format.GroupColumns == 0 ? 1 : inputs / format.GroupColumns, columns = inputs / blocks;
            // Two to a step where a pair fills what a lane of the product takes: 32 bits of numbers, 8 of codes.
            int steps = format.Bits is 4 or 16 ? (columns + 1) / 2 : columns;
            bool isDense = format.Scale == ScaleKind.None;
            int header = isDense ? 0 : PanelRows * sizeof(float);
            // Whole pairs: products may take columns two at a time.
            return new PanelBlocks(blocks, steps, header, header + (isDense ? (long)steps * sizeof(float) : (steps + 1L) & ~1L) * PanelRows);
        }
    }
}
