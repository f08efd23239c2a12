using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Where things lie in a panel of 32 rows: slabs one after another, each of them
/// <c>[halves d | halves d' | scales of its groups | offsets of its groups | words of codes]</c>, everything with a lane per row.
/// A word of 32 bits holds codes of one row; <see cref="CodeWords"/> says which.
/// </summary>
internal readonly struct AffineLayout
{
    /// <summary>Rows of a panel.</summary>
    public const int PanelRows = 32;

    public AffineLayout(WeightFormat format, int columns)
    {
        Encoding = format.Encoding;
        Scale = format.Scale;
        Offset = format.Offset;
        Bits = format.Bits;
        Columns = columns;
        Unit = format.Unit;
        Halves = format.Halves;
        Padded = (columns + Unit - 1) / Unit * Unit;
        Group = format.Group(columns);
        Slab = format.Slab(columns);
        int groups = (Math.Min(Slab, columns) + Group - 1) / Group;
        ScaleBytes = format.GroupScaleBytes;
        OffsetBytes = format.GroupOffsetBytes;
        ScalesAt = PanelRows * format.Halves * sizeof(ushort);
        OffsetsAt = ScalesAt + PanelRows * groups * format.GroupScaleBytes;
        CodesAt = OffsetsAt + PanelRows * groups * format.GroupOffsetBytes;
        SlabBytes = CodesAt + CodeBytes(Slab);
        int slabs = (columns + Slab - 1) / Slab;
        PanelBytes = (long)SlabBytes * (slabs - 1) + CodesAt + CodeBytes(Padded - (slabs - 1) * Slab);
    }

    /// <summary>What codes, scales and offsets are, in one number for a device: bits, encoding, kinds of scale and offset, a byte each.</summary>
    public int Form => Bits | (int)Encoding << 8 | (int)Scale << 16 | (int)Offset << 24;

    public WeightEncoding Encoding { get; }

    public ScaleKind Scale { get; }

    public OffsetKind Offset { get; }

    public int Bits { get; }

    /// <summary>Columns of the matrix.</summary>
    public int Columns { get; }

    /// <summary>Columns whose codes are packed together, a power of two.</summary>
    public int Unit { get; }

    /// <summary>Halves of two-level scales that a slab begins with.</summary>
    public int Halves { get; }

    /// <summary>Columns of whole units of codes; those beyond the matrix are never multiplied with anything but zero.</summary>
    public int Padded { get; }

    /// <summary>Columns that share a scale.</summary>
    public int Group { get; }

    /// <summary>Columns of a slab; the last may have fewer.</summary>
    public int Slab { get; }

    public int ScaleBytes { get; }

    public int OffsetBytes { get; }

    public int ScalesAt { get; }

    public int OffsetsAt { get; }

    public int CodesAt { get; }

    public int SlabBytes { get; }

    public long PanelBytes { get; }

    private int CodeBytes(int columns) => (int)((long)columns * Bits * PanelRows / 8);
}
