using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Takes rows of codes apart and puts them into a panel, a lane per row.</summary>
internal static unsafe class AffinePanel
{
    private const int Rows = AffineLayout.PanelRows;

    /// <summary>Panels of a matrix.</summary>
    public static int Count(int rows) => (int)(((long)rows + Rows - 1) / Rows);

    /// <summary>Fills a panel; lanes without a row are zero.</summary>
    /// <param name="stack">Matrices of one format and width, one below the other.</param>
    /// <param name="rows">Rows of all together.</param>
    /// <param name="index">Which panel.</param>
    /// <param name="layout">Where things lie in it.</param>
    /// <param name="order">Puts codes into words: <see cref="CodeWords.Pack"/> or <see cref="CodePlanes.Pack"/>.</param>
    /// <param name="panel">Filled.</param>
    [SkipLocalsInit]
    public static void Pack(CodedMatrix[] stack, int rows, int index, in AffineLayout layout, delegate*<int, byte*, int, uint*, void> order, byte* panel)
    {
        int first = index * Rows;
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
            int source = 0, local = first;
            for (int lane = 0; lane < Math.Min(Rows, rows - first); lane++, local++)
            {
                while (local >= stack[source].Rows)
                {
                    local -= stack[source++].Rows;
                }
                CodeRow row = CodePiece.Memory(memory);
                // Codes that pad the last columns to a unit are zero.
                new Span<byte>(row.Codes + piece.Count, 64).Clear();
                stack[source].ReadCodes(local, piece, row);
                Place(layout, row, piece, order, panel, lane);
            }
            column = piece.End;
        }
    }

    /// <summary>Puts a piece of a row into its slabs. All sizes are the layout's: a slab may be no more than 32 columns, and a model has millions.</summary>
    private static void Place(in AffineLayout layout, CodeRow row, CodePiece piece, delegate*<int, byte*, int, uint*, void> order, byte* panel, int lane)
    {
        int index = piece.First / layout.Slab, inSlab = piece.First - index * layout.Slab;
        byte* slab = panel + (long)index * layout.SlabBytes, codes = row.Codes, scales = row.Scales, offsets = row.Offsets;
        for (int left = piece.Count; left > 0;)
        {
            int count = Math.Min(left, layout.Slab - inSlab);
            for (int i = 0; i < layout.Halves; i++)
            {
                ((ushort*)slab)[i * Rows + lane] = row.Supers[i];
            }
            int groups = count <= layout.Group ? 1 : (count + layout.Group - 1) / layout.Group;
            Numbers(scales, layout.ScaleBytes, groups, slab + layout.ScalesAt, lane);
            Numbers(offsets, layout.OffsetBytes, groups, slab + layout.OffsetsAt, lane);
            order(layout.Bits, codes, (count + layout.Unit - 1) & -layout.Unit, (uint*)(slab + layout.CodesAt) + (long)inSlab * layout.Bits / 32 * Rows + lane);
            codes += count;
            scales += groups * layout.ScaleBytes;
            offsets += groups * layout.OffsetBytes;
            slab += layout.SlabBytes;
            inSlab = 0;
            left -= count;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
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
