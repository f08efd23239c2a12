namespace Llama4Kernels.Kernels.Quantization;

/// <summary>What the number in a code's bits stands for.</summary>
internal enum CodeKind
{
    /// <summary>The number itself.</summary>
    Unsigned,

    /// <summary>The number less half of its range: 4 bits are −8 … 7.</summary>
    Centred,

    /// <summary>One of the 16 values of <see cref="CodeTables.Iq4"/>.</summary>
    Iq4,

    /// <summary>Twice the value of a 4-bit float with two exponent bits and one of mantissa.</summary>
    Fp4,

    /// <summary>An E4M3 float.</summary>
    Fp8,
}

/// <summary>How the scale of a group is kept.</summary>
internal enum ScaleKind
{
    /// <summary>float32.</summary>
    F32,

    /// <summary>IEEE half.</summary>
    F16,

    /// <summary>bfloat16.</summary>
    BF16,

    /// <summary>A byte e for 2^(e − 128).</summary>
    Power,

    /// <summary>A signed byte S per group and a half d for each 256 columns: d·S.</summary>
    TwoLevel,

    /// <summary>As <see cref="TwoLevel"/> in the low half of a byte; the high half is the offset's.</summary>
    Nibbles,
}

/// <summary>What is added to a code times its scale.</summary>
internal enum OffsetKind
{
    /// <summary>Nothing: w = s·c.</summary>
    None,

    /// <summary>A number of the scale's type: w = s·c + β.</summary>
    Added,

    /// <summary>A byte m per group and a half d' for each 256 columns: w = s·c − d'·m.</summary>
    TwoLevel,

    /// <summary>A byte z that is taken from the code: w = (c − z)·s.</summary>
    Zero,
}

/// <summary>
/// A format of quantised weights in memory: a code of a few bits for each weight, and for each group of columns of a row a scale
/// and perhaps an offset. The bits of all three are those of the file.
/// </summary>
/// <param name="Name">For people.</param>
/// <param name="Bits">Of a code: 2, 3, 4, 5, 6 or 8.</param>
/// <param name="Kind">What a code stands for.</param>
/// <param name="GroupColumns">Columns that share a scale; 0 for a whole row.</param>
/// <param name="Scale">How a scale is kept.</param>
/// <param name="Offset">What is added.</param>
internal sealed record CodeFormat(string Name, int Bits, CodeKind Kind, int GroupColumns, ScaleKind Scale, OffsetKind Offset)
{
    /// <summary>Columns that share the halves of a two-level scale.</summary>
    public const int SuperColumns = 256;

    /// <summary>Whether scales have two levels.</summary>
    public bool IsTwoLevel => Scale is ScaleKind.TwoLevel or ScaleKind.Nibbles;

    /// <summary>Bytes of a group's own scale.</summary>
    public int ScaleBytes => Scale switch
    {
        ScaleKind.F32 => 4,
        ScaleKind.F16 or ScaleKind.BF16 => 2,
        _ => 1,
    };

    /// <summary>Bytes of a group's own offset.</summary>
    public int OffsetBytes => Offset switch
    {
        OffsetKind.None => 0,
        OffsetKind.Added => ScaleBytes,
        _ => Scale == ScaleKind.Nibbles ? 0 : 1,
    };

    /// <summary>Halves for each 256 columns.</summary>
    public int Supers => !IsTwoLevel ? 0 : Offset == OffsetKind.TwoLevel ? 2 : 1;

    /// <summary>Codes that are packed together: columns are padded to a multiple of them, and groups consist of whole units.</summary>
    public int Unit => Bits switch
    {
        3 or 5 => 32,
        6 => 16,
        _ => 32 / Bits,
    };

    /// <summary>Columns of a group in a matrix of some columns.</summary>
    public int Group(int columns) => GroupColumns == 0 ? columns : Math.Min(GroupColumns, columns);

    /// <summary>Columns that lie together with their scales: a two-level block, or a group.</summary>
    public int Slab(int columns) => IsTwoLevel ? SuperColumns : Group(columns);

    /// <summary>The value of a code before scale and offset.</summary>
    public float Value(int code) => Kind switch
    {
        CodeKind.Unsigned => code,
        CodeKind.Centred => code - (1 << (Bits - 1)),
        CodeKind.Iq4 => CodeTables.Iq4[code],
        CodeKind.Fp4 => CodeTables.Fp4[code],
        _ => Numerics.Fp8.ToSingle((byte)code),
    };

    /// <summary>A weight of its code's value, scale and offset; rounded once where the exact value is no float32.</summary>
    public float Weight(float value, float scale, float offset) => Offset switch
    {
        OffsetKind.None => value * scale,
        OffsetKind.Zero => (value - offset) * scale,
        _ => MathF.FusedMultiplyAdd(value, scale, offset),
    };
}
