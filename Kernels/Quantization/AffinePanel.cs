using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Takes rows of codes apart and puts them into a panel, a lane per row: a piece of all its rows first, a row after the other, in
/// memory that stays in the first-level cache; then their words and numbers change places together.
/// </summary>
internal static unsafe class AffinePanel
{
    private const int Rows = AffineLayout.PanelRows;

    /// <summary>Words of a piece of a row; a few beyond its last are read.</summary>
    private const int RowWords = CodePiece.MaxColumns * 8 / 32 + 4;

    /// <summary>Panels of a matrix.</summary>
    public static int Count(int rows) => (int)(((long)rows + Rows - 1) / Rows);

    /// <summary>Fills a panel; lanes without a row are zero.</summary>
    /// <param name="stack">Matrices of one format and width, one below the other.</param>
    /// <param name="rows">Rows of all together.</param>
    /// <param name="index">Which panel.</param>
    /// <param name="layout">Where things lie in it.</param>
    /// <param name="order">Puts codes into words: <see cref="CodeOrder.Pack"/>, or <see cref="CodePlanes.Pack"/> for a device.</param>
    /// <param name="panel">Filled.</param>
    /// <param name="inLines">Whether the order is <see cref="CodeLines"/>, which some matrices read by themselves.</param>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(CodedMatrix[] stack, int rows, int index, in AffineLayout layout, delegate*<int, byte*, int, uint*, void> order, byte* panel, bool inLines = false)
    {
        int first = index * Rows, count = Math.Min(Rows, rows - first);
        byte* codes = stackalloc byte[CodePiece.CodeBytes];
        byte* numbers = stackalloc byte[Rows * CodePiece.NumberBytes];
        uint* words = stackalloc uint[Rows * RowWords];
        if (count < Rows)
        {
            new Span<byte>(numbers, Rows * CodePiece.NumberBytes).Clear();
            new Span<uint>(words, Rows * RowWords).Clear();
        }
        WeightFormat format = stack[0].Codes;
        for (int column = 0; column < layout.Columns;)
        {
            CodePiece piece = CodePiece.Containing(format, layout.Columns, column);
            // Codes that pad the last columns to a unit are zero, and nothing reads over them.
            int padded = (piece.Count + layout.Unit - 1) & -layout.Unit;
            new Span<byte>(codes + piece.Count, CodePiece.CodeBytes - piece.Count).Clear();
            int source = 0, local = first;
            for (int lane = 0; lane < count; lane++, local++)
            {
                while (local >= stack[source].Rows)
                {
                    local -= stack[source++].Rows;
                }
                uint* own = words + lane * RowWords;
                byte* ofRow = numbers + lane * CodePiece.NumberBytes;
                if (inLines && stack[source].HasLines)
                {
                    stack[source].ReadLines(local, piece, CodePiece.Row((byte*)own, ofRow));
                    continue;
                }
                stack[source].ReadCodes(local, piece, CodePiece.Row(codes, ofRow));
                order(layout.Bits, codes, padded, own);
            }
            Place(layout, piece, words, numbers, panel);
            column = piece.End;
        }
    }

    /// <summary>Puts a piece of all rows into its slabs.</summary>
    private static void Place(in AffineLayout layout, CodePiece piece, uint* words, byte* numbers, byte* panel)
    {
        int index = piece.First / layout.Slab, inSlab = piece.First - index * layout.Slab;
        byte* slab = panel + (long)index * layout.SlabBytes;
        CodeRow row = CodePiece.Row(null, numbers);
        byte* scales = row.Scales, offsets = row.Offsets;
        for (int left = piece.Count; left > 0;)
        {
            int count = Math.Min(left, layout.Slab - inSlab);
            if (layout.Halves > 0)
            {
                Numbers((byte*)row.Supers, sizeof(ushort), layout.Halves, slab);
            }
            int groups = count <= layout.Group ? 1 : (count + layout.Group - 1) / layout.Group;
            Numbers(scales, layout.ScaleBytes, groups, slab + layout.ScalesAt);
            Numbers(offsets, layout.OffsetBytes, groups, slab + layout.OffsetsAt);
            int own = ((count + layout.Unit - 1) & -layout.Unit) * layout.Bits / 32;
            LaneWords.Place(words, RowWords, own, (uint*)(slab + layout.CodesAt) + (long)inSlab * layout.Bits / 32 * Rows);
            words += own;
            scales += groups * layout.ScaleBytes;
            offsets += groups * layout.OffsetBytes;
            slab += layout.SlabBytes;
            inSlab = 0;
            left -= count;
        }
    }

    /// <summary>Numbers of some groups, or nothing: those of a group lie together, a lane per row.</summary>
    private static void Numbers(byte* from, int size, int count, byte* to)
    {
        switch (size)
        {
            case 1:
                Lanes<byte>(from, count, (byte*)to);
                break;
            case 2:
                Lanes<ushort>(from, count, (ushort*)to);
                break;
            case 4:
                Lanes<uint>(from, count, (uint*)to);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Lanes<T>(byte* from, int count, T* to)
        where T : unmanaged
    {
        for (int i = 0; i < count; i++, from += sizeof(T))
        {
            byte* own = from;
            for (int lane = 0; lane < Rows; lane++, own += CodePiece.NumberBytes)
            {
                *to++ = Unsafe.ReadUnaligned<T>(own);
            }
        }
    }
}
