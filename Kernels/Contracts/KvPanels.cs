namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// Where the keys or the values of a head lie whose elements are kept in pairs: a matrix [rows, columns] as panels of
/// <see cref="Width"/> columns, the last one of what is left. A panel holds two rows after two rows, and of them column after
/// column, so that the two elements of a pair share a word: the operand of dot products of pairs, read in ascending order.
/// A row of keys is a component and a column a slot; a row of values is a slot and a column a component.
/// </summary>
/// <param name="Offset">Elements from a head's start to the first panel.</param>
/// <param name="Rows">Rows, an even number.</param>
/// <param name="Columns">Columns, a multiple of 16.</param>
public readonly record struct KvPanels(long Offset, int Rows, int Columns)
{
    /// <summary>Columns of a panel.</summary>
    public const int Width = 64;

    /// <summary>Elements of all panels.</summary>
    public long Elements => (long)Rows * Columns;

    /// <summary>Panels.</summary>
    public int Count => (Columns + Width - 1) / Width;

    /// <summary>Columns of a panel, the last of which may have fewer.</summary>
    public int WidthOf(int panel) => Math.Min(Width, Columns - (panel * Width));

    /// <summary>Elements from a head's start to a row of a panel that begins a pair.</summary>
    public long Panel(int panel, int row) => Offset + ((long)panel * Width * Rows) + ((long)row * WidthOf(panel));

    /// <summary>Elements from a head's start to the element of a row and a column.</summary>
    public long At(int row, int column) => Panel(column / Width, row & -2) + (2 * (column % Width)) + (row & 1);
}
