using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Contracts;

/// <summary>How a weight's code stands for a number, before its scale.</summary>
public enum WeightEncoding
{
    /// <summary>IEEE float32.</summary>
    Float32,

    /// <summary>bfloat16.</summary>
    BFloat16,

    /// <summary>IEEE half.</summary>
    Float16,

    /// <summary>FP8 E4M3, finite only.</summary>
    E4M3,

    /// <summary>A two's complement integer.</summary>
    Integer,

    /// <summary>An unsigned integer; with an offset, value = scale · code + offset.</summary>
    Unsigned,

    /// <summary>One of the 16 integers of llama.cpp's non-linear 4-bit types.</summary>
    Iq4,

    /// <summary>A 4-bit float with two bits of exponent and one of mantissa; the scale belongs to twice its value.</summary>
    E2M1,
}

/// <summary>
/// What a weight's numbers are stored as: codes, and the scales that go with them. One ordered list, <see cref="All"/>, which
/// packing, products, files, devices and reports read; how the codes lie in memory is the layout's affair (<see cref="IMatrix.Layout"/>).
/// </summary>
/// <param name="Name">Its name in options, reports and the names of kernels.</param>
/// <param name="Encoding">What a code is.</param>
/// <param name="Bits">Bits of a code.</param>
public sealed record WeightFormat(string Name, WeightEncoding Encoding, int Bits)
{
    /// <summary>float32.</summary>
    public static readonly WeightFormat F32 = new("f32", WeightEncoding.Float32, 32);

    /// <summary>bfloat16.</summary>
    public static readonly WeightFormat BF16 = new("bf16", WeightEncoding.BFloat16, 16);

    /// <summary>IEEE half: files and embedding tables have it; as a weight it becomes float32.</summary>
    public static readonly WeightFormat F16 = new("f16", WeightEncoding.Float16, 16) { IsOnlyStored = true };

    /// <summary>E4M3 codes, a float32 scale a row.</summary>
    public static readonly WeightFormat Fp8 = new("fp8", WeightEncoding.E4M3, 8) { Scale = ScaleKind.F32 };

    /// <summary>As <see cref="Fp8"/>; products quantise each row of activations to E4M3 first.</summary>
    public static readonly WeightFormat Fp8Activations = Fp8 with { Name = "fp8a", QuantisesActivations = true };

    /// <summary>Integers −8 … 7, a float32 scale for each 128 inputs of a row.</summary>
    public static readonly WeightFormat Int4 = new("int4", WeightEncoding.Integer, 4) { GroupColumns = 128, Scale = ScaleKind.F32 };

    /// <summary>Columns that share the halves of two-level scales.</summary>
    internal const int SuperColumns = 256;

    /// <summary>The formats that weights can be brought into; files may have others, <see cref="KeptFormats"/>, which stay as they are.</summary>
    public static IReadOnlyList<WeightFormat> All { get; } = [F32, BF16, F16, Fp8, Fp8Activations, Int4];

    /// <summary>Columns that share a scale; 0 for whole rows.</summary>
    public int GroupColumns { get; init; }

    /// <summary>What the scales are stored as.</summary>
    public ScaleKind Scale { get; init; }

    /// <summary>What is added to scale · code.</summary>
    public OffsetKind Offset { get; init; }

    /// <summary>Products first quantise each row of x to this encoding.</summary>
    public bool QuantisesActivations { get; init; }

    /// <summary>Files have it and products do not: as a weight it becomes float32, which holds its numbers exactly.</summary>
    public bool IsOnlyStored { get; init; }

    /// <summary>The format of a name.</summary>
    /// <exception cref="ArgumentException">There is none; the message lists all.</exception>
    public static WeightFormat Get(string name) => All.FirstOrDefault(format => format.Name == name)
        ?? throw new ArgumentException($"There is no weight format '{name}'; there are {string.Join(", ", All.Select(format => format.Name))}.", nameof(name));

    /// <summary>The format of a stored tensor's elements.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No stored tensor has that type.</exception>
    public static WeightFormat Of(ElementType type) => type switch
    {
        ElementType.F32 => F32,
        ElementType.BF16 => BF16,
        ElementType.F16 => F16,
        ElementType.F8E4M3 => Fp8,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Unknown element type."),
    };

    /// <summary>The type of its elements if each stands for a number by itself; null for codes with scales.</summary>
    public ElementType? PlainType => Scale == ScaleKind.None ? Array.Find(Enum.GetValues<ElementType>(), type => Of(type) == this) : null;

    /// <summary>Codes that share a byte; 1 where a code takes one or more.</summary>
    public int CodesPerByte => Math.Max(1, 8 / Bits);

    /// <summary>Bits of a weight in a long row: its code and its share of the group's scale and offset.</summary>
    public double BitsPerWeight => Bits + (GroupColumns == 0 ? 0 : 8.0 * (GroupScaleBytes + GroupOffsetBytes) / GroupColumns + 16.0 * Halves / SuperColumns);

    /// <summary>Whether scales are small integers times the half that each 256 columns share.</summary>
    internal bool IsTwoLevel => Scale is ScaleKind.TwoLevel or ScaleKind.Nibbles;

    /// <summary>Bytes of a group's own scale.</summary>
    internal int GroupScaleBytes => Scale switch
    {
        ScaleKind.None => 0,
        ScaleKind.F32 => 4,
        ScaleKind.F16 or ScaleKind.BF16 => 2,
        _ => 1,
    };

    /// <summary>Bytes of a group's own offset.</summary>
    internal int GroupOffsetBytes => Offset switch
    {
        OffsetKind.None => 0,
        OffsetKind.Added => GroupScaleBytes,
        _ => Scale == ScaleKind.Nibbles ? 0 : 1,
    };

    /// <summary>Halves that each 256 columns share.</summary>
    internal int Halves => !IsTwoLevel ? 0 : Offset == OffsetKind.TwoLevel ? 2 : 1;

    /// <summary>Scales of a row.</summary>
    public int ScalesPerRow(int columns) => Scale == ScaleKind.None ? 0 : GroupColumns == 0 ? 1 : (columns + GroupColumns - 1) / GroupColumns;

    /// <summary>Bytes of a row's codes, two to a byte where they have four bits.</summary>
    public long CodeBytes(int columns) => ((long)columns * Bits + 7) / 8;

    /// <summary>Bytes of a row's scales and offsets.</summary>
    public long ScaleBytes(int columns) =>
        (long)ScalesPerRow(columns) * (GroupScaleBytes + GroupOffsetBytes) + columns / SuperColumns * Halves * 2L;

    /// <summary>Bytes of a matrix, without the padding that a layout may add.</summary>
    public long Bytes(long rows, int columns) => rows * (CodeBytes(columns) + ScaleBytes(columns));

    /// <summary>Why a matrix of so many columns cannot have this format, or null if it can.</summary>
    public string? WhyNot(int columns)
    {
        // Blocks of FP8 are laid from the origin, and the last may be short; other groups are whole.
        int whole = IsTwoLevel ? SuperColumns : Encoding == WeightEncoding.E4M3 ? 0 : GroupColumns;
        return whole > 0 && columns % whole != 0 ? $"{Name} weights need a multiple of {whole} inputs, not {columns}." : null;
    }

    /// <summary>Whether codes and scales are the same and only the products differ, so that one's codes can be kept for the other.</summary>
    public bool HasCodesOf(WeightFormat other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return (Encoding, Bits, GroupColumns, Scale, Offset) == (other.Encoding, other.Bits, other.GroupColumns, other.Scale, other.Offset);
    }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
