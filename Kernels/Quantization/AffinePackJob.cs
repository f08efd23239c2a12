using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Takes rows of codes apart and puts them into panels. An item is a panel.</summary>
internal readonly unsafe struct AffinePackJob(GCHandle<CodedMatrix[]> sources, byte* target, AffineLayout layout, int rows) : ITeamJob
{
    private const int Rows = AffineLayout.PanelRows;

    [SkipLocalsInit]
    public void Execute(int item, int worker)
    {
        CodedMatrix[] stack = sources.Target;
        byte* panel = target + item * layout.PanelBytes;
        int first = item * Rows;
        if (rows - first < Rows)
        {
            NativeMemory.Clear(panel, (nuint)layout.PanelBytes);
        }
        byte* memory = stackalloc byte[CodePiece.MemoryBytes];
        new Span<byte>(memory, CodePiece.MemoryBytes).Clear();
        WeightFormat format = stack[0].Codes;
        for (int column = 0; column < layout.Columns;)
        {
            CodePiece piece = CodePiece.Containing(format, layout.Columns, column);
            int index = 0, local = first;
            for (int lane = 0; lane < Math.Min(Rows, rows - first); lane++, local++)
            {
                while (local >= stack[index].Rows)
                {
                    local -= stack[index++].Rows;
                }
                CodeRow row = CodePiece.Memory(memory);
                // Codes that pad the last columns to a unit are zero.
                new Span<byte>(row.Codes + piece.Count, 64).Clear();
                stack[index].ReadCodes(local, piece, row);
                Place(format, row, piece, panel, lane);
            }
            column = piece.End;
        }
    }

    /// <summary>Puts a piece of a row into its slabs.</summary>
    private void Place(WeightFormat format, CodeRow row, CodePiece piece, byte* panel, int lane)
    {
        for (int column = piece.First; column < piece.End;)
        {
            int index = column / layout.Slab, inSlab = column - index * layout.Slab;
            int count = Math.Min(piece.End - column, layout.Slab - inSlab);
            byte* slab = panel + (long)index * layout.SlabBytes;
            for (int i = 0; i < format.Halves; i++)
            {
                ((ushort*)slab)[i * Rows + lane] = row.Supers[i];
            }
            int groups = (count + layout.Group - 1) / layout.Group;
            Numbers(row.Scales, format.GroupScaleBytes, groups, slab + layout.ScalesAt, lane);
            Numbers(row.Offsets, format.GroupOffsetBytes, groups, slab + layout.OffsetsAt, lane);
            int padded = (count + format.Unit - 1) / format.Unit * format.Unit;
            CodeWords.Pack(layout.Bits, row.Codes, padded, (uint*)(slab + layout.CodesAt) + (long)inSlab * layout.Bits / 32 * Rows + lane);
            row = row.Skip(format, count, groups);
            column += count;
        }
    }

    private static void Numbers(byte* from, int size, int count, byte* to, int lane)
    {
        for (int i = 0; i < count; i++)
        {
            int at = i * Rows + lane;
            switch (size)
            {
                case 1:
                    to[at] = from[i];
                    break;
                case 2:
                    ((ushort*)to)[at] = Unsafe.ReadUnaligned<ushort>(from + 2 * i);
                    break;
                case 4:
                    ((uint*)to)[at] = Unsafe.ReadUnaligned<uint>(from + 4 * i);
                    break;
            }
        }
    }
}
