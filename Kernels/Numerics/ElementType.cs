namespace Llama4Kernels.Kernels.Numerics;

/// <summary>Element type of stored tensor data, little-endian.</summary>
public enum ElementType
{
    /// <summary>IEEE float32.</summary>
    F32,

    /// <summary>bfloat16, 2 bytes.</summary>
    BF16,

    /// <summary>IEEE half, 2 bytes.</summary>
    F16,

    /// <summary>FP8 E4M3 (finite only, no infinities), 1 byte.</summary>
    F8E4M3,
}

/// <summary>Sizes of <see cref="ElementType"/>.</summary>
public static class ElementTypeExtensions
{
    /// <summary>Bytes of one element.</summary>
    public static int Size(this ElementType type) => type switch
    {
        ElementType.F32 => 4,
        ElementType.BF16 or ElementType.F16 => 2,
        ElementType.F8E4M3 => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Unknown element type."),
    };
}
