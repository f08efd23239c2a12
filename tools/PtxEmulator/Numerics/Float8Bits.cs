namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>cvt to and from e4m3 and e5m2. To 8 bits it is always .rn.satfinite; a NaN is 0x7F.</summary>
internal static class Float8Bits
{
    private static readonly ushort[] s_e4M3ToF16 = Table(FloatFormat.E4M3);
    private static readonly ushort[] s_e5M2ToF16 = Table(FloatFormat.E5M2);

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
        var result = (format == Float8Format.E4M3 ? s_e4M3ToF16 : s_e5M2ToF16)[bits];
        return relu && (bits & 0x80) != 0 && result != HalfBits.CanonicalNaN ? (ushort)0 : result;
    }

    private static ushort[] Table(FloatFormat format)
    {
        var codes = new ushort[256];
        for (var code = 0u; code < codes.Length; code++)
        {
            codes[code] = HalfBits.FromF64(FloatBits.ToF64(code, format), HalfFormat.F16);
        }

        return codes;
    }
}
