using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Writes panels of <see cref="Int8Panels"/>: a piece of each of its rows, then their words change from rows to lanes together. An item is a panel, or a few where rows have to be turned (<see cref="TurnedRows"/>).</summary>
internal readonly unsafe struct Int8PanelPacking(GCHandle<CodedMatrix[]> sources, GCHandle<Int8Panels> target, int panelsPerItem) : ITeamJob
{
    private const int PanelRows = Int8Panels.PanelRows, RunColumns = Int8Panels.RunColumns, RunWords = RunColumns / sizeof(uint);

    private const int RowWords = CodePiece.CodeBytes / sizeof(uint);

    public void Execute(int item, int worker)
    {
        Int8Panels matrix = target.Target;
        if (panelsPerItem == 1)
        {
            Pack(matrix, sources.Target, item * PanelRows, item);
            return;
        }
        int first = item * panelsPerItem, end = Math.Min(first + panelsPerItem, matrix.Panels);
        using var turned = new TurnedRows(sources.Target, first * PanelRows, Math.Min((end - first) * PanelRows, matrix.Rows - first * PanelRows));
        CodedMatrix[] stack = Array.ConvertAll(turned.Sources, source => (CodedMatrix)source);
        for (int panel = first; panel < end; panel++)
        {
            Pack(matrix, stack, (panel - first) * PanelRows, panel);
        }
    }

    /// <param name="matrix">Gets the panel.</param>
    /// <param name="stack">One below the other.</param>
    /// <param name="first">The panel's first row among those.</param>
    /// <param name="index">Which panel.</param>
    [SkipLocalsInit]
    private static void Pack(Int8Panels matrix, CodedMatrix[] stack, int first, int index)
    {
        int count = Math.Min(PanelRows, matrix.Rows - index * PanelRows);
        uint* words = stackalloc uint[PanelRows * RowWords];
        byte* numbers = stackalloc byte[PanelRows * CodePiece.NumberBytes];
        if (count < PanelRows)
        {
            new Span<uint>(words, PanelRows * RowWords).Clear();
            new Span<byte>(numbers, PanelRows * CodePiece.NumberBytes).Clear();
        }
        byte* panel = matrix.Panel(index), to = panel;
        for (int column = 0; column < matrix.Columns;)
        {
            CodePiece piece = CodePiece.Containing(matrix.Format, matrix.Columns, column);
            int source = 0, local = first;
            for (int lane = 0; lane < count; lane++, local++)
            {
                while (local >= stack[source].Rows)
                {
                    local -= stack[source++].Rows;
                }
                stack[source].ReadCodes(local, piece, CodePiece.Row((byte*)(words + lane * RowWords), numbers + lane * CodePiece.NumberBytes));
            }
            for (int run = 0; run < piece.Count / RunColumns; run++, to += Int8Panels.RunBytes)
            {
                LaneWords.Place(words + run * RunWords, RowWords, RunWords, (uint*)to);
                ushort* scales = (ushort*)(to + Int8Panels.CodeBytes);
                for (int lane = 0; lane < PanelRows; lane++)
                {
                    scales[lane] = ((ushort*)CodePiece.Row(null, numbers + lane * CodePiece.NumberBytes).Scales)[run];
                }
            }
            column = piece.End;
        }
        NativeMemory.Clear(to, (nuint)(panel + matrix.PanelBytes - to));
    }
}
