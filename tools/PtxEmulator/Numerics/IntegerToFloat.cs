namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>cvt from integers, given sign- or zero-extended to 64 bits; signed tells how to read bit 63.</summary>
internal static class IntegerToFloat
{
    public static float ToF32(long value, bool signed, Rounding rounding) => IsExactF64(value, signed)
        ? RoundedF32.Narrow(value, rounding)
        : BitConverter.UInt32BitsToSingle((uint)Exact.Round(Of(value, signed), FloatFormat.F32, rounding));

    public static double ToF64(long value, bool signed, Rounding rounding) => IsExactF64(value, signed)
        ? value
        : BitConverter.UInt64BitsToDouble(Exact.Round(Of(value, signed), FloatFormat.F64, rounding));

    /// <summary>f16 or bf16 bits.</summary>
    public static ushort ToHalf(long value, bool signed, HalfFormat format, Rounding rounding) => IsExactF64(value, signed)
        ? HalfBits.FromF64(value, format, rounding)
        : (ushort)Exact.Round(Of(value, signed), format == HalfFormat.F16 ? FloatFormat.F16 : FloatFormat.BF16, rounding);

    // Small enough for double. An unsigned number from 2^63 on looks negative and is not.
    private static bool IsExactF64(long value, bool signed) => value <= 1L << 53 && value >= (signed ? -(1L << 53) : 0);

    private static Exact.Number Of(long value, bool signed) => signed && value < 0
        ? new(true, 0 - (ulong)value, 0)
        : new(false, (ulong)value, 0);
}
