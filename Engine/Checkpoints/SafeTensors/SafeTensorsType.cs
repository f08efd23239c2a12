using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Engine.Checkpoints.SafeTensors;

/// <summary>Element types of the safetensors format; the names are the format's own.</summary>
internal enum SafeTensorsType
{
    /// <summary>Boolean, one byte.</summary>
    BOOL,

    /// <summary>Unsigned byte.</summary>
    U8,

    /// <summary>Signed byte.</summary>
    I8,

    /// <summary>FP8 with 5 exponent bits.</summary>
    F8_E5M2,

    /// <summary>FP8 with 4 exponent bits, finite only.</summary>
    F8_E4M3,

    /// <summary>An exponent of 8 bits.</summary>
    F8_E8M0,

    /// <summary>FP8 E4M3 without negative zero.</summary>
    F8_E4M3FNUZ,

    /// <summary>FP8 E5M2 without negative zero.</summary>
    F8_E5M2FNUZ,

    /// <summary>Signed, 16 bits.</summary>
    I16,

    /// <summary>Unsigned, 16 bits.</summary>
    U16,

    /// <summary>IEEE half.</summary>
    F16,

    /// <summary>bfloat16.</summary>
    BF16,

    /// <summary>Signed, 32 bits.</summary>
    I32,

    /// <summary>Unsigned, 32 bits.</summary>
    U32,

    /// <summary>IEEE single.</summary>
    F32,

    /// <summary>IEEE double.</summary>
    F64,

    /// <summary>Signed, 64 bits.</summary>
    I64,

    /// <summary>Unsigned, 64 bits.</summary>
    U64,

    /// <summary>Two IEEE singles.</summary>
    C64,

    /// <summary>FP4, two to a byte.</summary>
    F4,

    /// <summary>FP6 with 2 exponent bits, four to three bytes.</summary>
    F6_E2M3,

    /// <summary>FP6 with 3 exponent bits, four to three bytes.</summary>
    F6_E3M2,
}

/// <summary>Facts about <see cref="SafeTensorsType"/>.</summary>
internal static class SafeTensorsTypes
{
    private static readonly Dictionary<string, SafeTensorsType> s_byName =
        Enum.GetValues<SafeTensorsType>().ToDictionary(type => type.ToString(), StringComparer.Ordinal);

    private static readonly Dictionary<SafeTensorsType, StoredType> s_stored =
        Enum.GetValues<SafeTensorsType>().ToDictionary(type => type, type => type.Bits() switch
        {
            4 => new StoredType(type.ToString(), 2, 1),
            6 => new StoredType(type.ToString(), 4, 3),
            int bits => new StoredType(type.ToString(), 1, bits / 8, type.TryGetElementType(out ElementType element) ? element : null),
        });

    /// <summary>Bits of one element.</summary>
    public static int Bits(this SafeTensorsType type) => type switch
    {
        SafeTensorsType.F4 => 4,
        SafeTensorsType.F6_E2M3 or SafeTensorsType.F6_E3M2 => 6,
        <= SafeTensorsType.F8_E5M2FNUZ => 8,
        <= SafeTensorsType.BF16 => 16,
        <= SafeTensorsType.F32 => 32,
        _ => 64,
    };

    /// <summary>The same type in the terms of all formats.</summary>
    public static StoredType Stored(this SafeTensorsType type) => s_stored[type];

    /// <summary>The type of that exact name.</summary>
    public static bool TryParse(string name, out SafeTensorsType type) => s_byName.TryGetValue(name, out type);

    /// <summary>The type that elements of the kernels are stored as.</summary>
    public static SafeTensorsType Of(ElementType element) => s_stored.First(entry => entry.Value.Element == element).Key;

    /// <summary>The kernels' type, for those that weights may have.</summary>
    public static bool TryGetElementType(this SafeTensorsType type, out ElementType element)
    {
        (bool known, element) = type switch
        {
            SafeTensorsType.F32 => (true, ElementType.F32),
            SafeTensorsType.BF16 => (true, ElementType.BF16),
            SafeTensorsType.F16 => (true, ElementType.F16),
            SafeTensorsType.F8_E4M3 => (true, ElementType.F8E4M3),
            _ => (false, default),
        };
        return known;
    }
}
