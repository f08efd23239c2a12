using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// What a product of integers needs to know of a panel of <see cref="AffineMatrix"/> in the order of <see cref="CodeLines"/>: the
/// panel is a sequence of spans, each of one or two groups of 128 columns that share a scale of x; in a group, runs of columns
/// share a scale of the weights.
/// </summary>
internal readonly record struct CodedSpan
{
    private const int PanelRows = AffineLayout.PanelRows, GroupColumns = Int8Form.GroupColumns;

    public CodedSpan(in AffineLayout layout)
    {
        Encoding = layout.Encoding;
        Bits = layout.Bits;
        Scale = layout.Scale;
        Offset = layout.Offset;
        IsRow = layout.Group >= layout.Columns;
        Run = IsRow ? GroupColumns : layout.Group;
        Columns = IsRow ? GroupColumns : Math.Max(GroupColumns, layout.Slab);
        SlabColumns = IsRow ? GroupColumns : layout.Slab;
        SlabBytes = IsRow ? GroupColumns * Bits * PanelRows / 8 : layout.SlabBytes;
        CodesAt = IsRow ? 0 : layout.CodesAt;
    }

    public WeightEncoding Encoding { get; }

    /// <summary>Bits of a code.</summary>
    public int Bits { get; }

    /// <summary>What scales are stored as.</summary>
    public ScaleKind Scale { get; }

    /// <summary>What offsets are stored as.</summary>
    public OffsetKind Offset { get; }

    /// <summary>Whether weights are s·u + β, u counted from 0; else codes are s·(u − <see cref="Bias"/>).</summary>
    public bool HasOffsets => Offset != OffsetKind.None;

    /// <summary>
    /// Whether offsets are small integers times one number of a row for the whole span: their products with the sums of x are summed
    /// as integers then.
    /// </summary>
    public bool HasPairs => Offset == OffsetKind.TwoLevel;

    /// <summary>Whether a row has one scale, which lies before its codes.</summary>
    public bool IsRow { get; }

    /// <summary>Columns that share a scale.</summary>
    public int Run { get; }

    /// <summary>Columns of a span: 128, or 256 where scales have two levels.</summary>
    public int Columns { get; }

    /// <summary>Columns of a slab.</summary>
    public int SlabColumns { get; }

    /// <summary>Bytes of a slab.</summary>
    public int SlabBytes { get; }

    /// <summary>Where codes begin in a slab.</summary>
    public int CodesAt { get; }

    /// <summary>Bytes of a span.</summary>
    public int Bytes => Columns / SlabColumns * SlabBytes;

    /// <summary>Groups of 128 columns of a span.</summary>
    public int Groups => Columns / GroupColumns;

    /// <summary>What multiplying integers counts codes from: those of tables become values from −128 on.</summary>
    public int Bias => HasOffsets ? 0 : IsTable ? 128 : 1 << (Bits - 1);

    /// <summary>Whether codes stand for the values of a table.</summary>
    public bool IsTable => CodeFormats.IsTable(Encoding);

    /// <summary>How x is quantised.</summary>
    public Int8Form Operand => new(GroupColumns / Run, Bias, HasPairs);

    /// <summary>
    /// Floats of a run's scales, and offsets if there are any: 32 each. Of offsets in pairs the first run of two has the integers of
    /// both, 16 bits each, and the second what they are multiplied with.
    /// </summary>
    public int RunFloats => HasOffsets ? 2 * PanelRows : PanelRows;

    /// <summary>Floats of a span's scales and offsets, of a whole panel's where rows have one scale.</summary>
    public int Floats => (IsRow ? 1 : Columns / Run) * RunFloats;

    /// <summary>Floats between the scales of spans.</summary>
    public int FloatStride => IsRow ? 0 : Floats;

    /// <summary>Where the line of a word lies in a span: 32 rows of a word that has columns of a slab.</summary>
    public int LineAt(int column, int word) => column / SlabColumns * SlabBytes + CodesAt + word * PanelRows * sizeof(uint);

    /// <summary>The unsigned byte that is multiplied for a code: <see cref="Bias"/> more than what it stands for.</summary>
    public byte Byte(int code) => IsTable ? (byte)(CodeFormats.Value(Encoding, Bits, code) + Bias) : (byte)code;
}
