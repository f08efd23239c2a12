namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>cvt to and from e4m3 and e5m2. To 8 bits it is always .rn.satfinite; a NaN is 0x7F.</summary>
internal static class Float8Bits
{
    public static byte FromF32(float value, Float8Format format, bool relu = false)
    {
        var bits = (byte)(format == Float8Format.E4M3
            ? FloatBits.FromF64(value, FloatFormat.E4M3, Rounding.NearestEven, finite: true)
            : FloatBits.FromF64(value, FloatFormat.E5M2, Rounding.NearestEven, finite: true));
        return relu && (bits & 0x80) != 0 ? (byte)0 : bits;
    }

    /// <summary>From f16 bits.</summary>
    public static byte FromF16(ushort value, Float8Format format, bool relu = false) =>
        FromF32(HalfBits.ToF32(value, HalfFormat.F16), format, relu);

    /// <summary>To f16 bits, exactly.</summary>
    public static ushort ToF16(byte bits, Float8Format format, bool relu = false)
    {
        var result = HalfBits.FromF64(
            format == Float8Format.E4M3 ? FloatBits.ToF64(bits, FloatFormat.E4M3) : FloatBits.ToF64(bits, FloatFormat.E5M2),
            HalfFormat.F16);
        return relu && (result & 0x8000) != 0 ? (ushort)0 : result;
    }
}
