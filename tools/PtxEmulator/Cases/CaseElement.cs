using System.Globalization;
using System.Runtime.InteropServices;
using Llama4Kernels.PtxEmulator.Numerics;

namespace Llama4Kernels.PtxEmulator.Cases;

/// <summary>Element types of a case's tensors; the names are those of the safetensors format.</summary>
public enum CaseElement
{
    /// <summary>Unsigned byte.</summary>
    U8,

    /// <summary>Signed byte.</summary>
    I8,

    /// <summary>FP8 with 4 exponent bits, no infinity.</summary>
    F8_E4M3,

    /// <summary>FP8 with 5 exponent bits.</summary>
    F8_E5M2,

    /// <summary>Unsigned, 16 bits.</summary>
    U16,

    /// <summary>Signed, 16 bits.</summary>
    I16,

    /// <summary>IEEE half.</summary>
    F16,

    /// <summary>bfloat16.</summary>
    BF16,

    /// <summary>Unsigned, 32 bits.</summary>
    U32,

    /// <summary>Signed, 32 bits.</summary>
    I32,

    /// <summary>IEEE single.</summary>
    F32,

    /// <summary>Unsigned, 64 bits.</summary>
    U64,

    /// <summary>Signed, 64 bits.</summary>
    I64,

    /// <summary>IEEE double.</summary>
    F64,
}

/// <summary>Facts about <see cref="CaseElement"/>.</summary>
internal static class CaseElements
{
    public static int Bytes(this CaseElement type) => type switch
    {
        <= CaseElement.F8_E5M2 => 1,
        <= CaseElement.BF16 => 2,
        <= CaseElement.F32 => 4,
        _ => 8,
    };

    public static bool IsFloat(this CaseElement type) => type is CaseElement.F8_E4M3 or CaseElement.F8_E5M2
        or CaseElement.F16 or CaseElement.BF16 or CaseElement.F32 or CaseElement.F64;

    /// <summary>The bits of an element, little-endian.</summary>
    public static ulong Bits(this CaseElement type, ReadOnlySpan<byte> data, long index)
    {
        ReadOnlySpan<byte> element = data.Slice((int)(index * type.Bytes()), type.Bytes());
        return type.Bytes() switch
        {
            1 => element[0],
            2 => MemoryMarshal.Read<ushort>(element),
            4 => MemoryMarshal.Read<uint>(element),
            _ => MemoryMarshal.Read<ulong>(element),
        };
    }

    /// <summary>The value of a float element, exactly.</summary>
    public static double Float(this CaseElement type, ulong bits) => type switch
    {
        CaseElement.F8_E4M3 => FloatBits.ToF64((uint)bits, FloatFormat.E4M3),
        CaseElement.F8_E5M2 => FloatBits.ToF64((uint)bits, FloatFormat.E5M2),
        CaseElement.F16 => (double)BitConverter.UInt16BitsToHalf((ushort)bits),
        CaseElement.BF16 => BitConverter.UInt32BitsToSingle((uint)bits << 16),
        CaseElement.F32 => BitConverter.UInt32BitsToSingle((uint)bits),
        CaseElement.F64 => BitConverter.UInt64BitsToDouble(bits),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not a floating-point type."),
    };

    /// <summary>The value of an integer element.</summary>
    public static Int128 Integer(this CaseElement type, ulong bits) => type switch
    {
        CaseElement.U8 or CaseElement.U16 or CaseElement.U32 or CaseElement.U64 => bits,
        CaseElement.I8 => (sbyte)bits,
        CaseElement.I16 => (short)bits,
        CaseElement.I32 => (int)bits,
        CaseElement.I64 => (long)bits,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not an integer type."),
    };

    /// <summary>An element for people: the value, for floats with its bits.</summary>
    public static string Text(this CaseElement type, ulong bits) => type.IsFloat()
        ? $"{type.Float(bits).ToString(type == CaseElement.F64 ? "G17" : "G9", CultureInfo.InvariantCulture)} (0x{bits.ToString("x" + (2 * type.Bytes()), CultureInfo.InvariantCulture)})"
        : type.Integer(bits).ToString(CultureInfo.InvariantCulture);
}
