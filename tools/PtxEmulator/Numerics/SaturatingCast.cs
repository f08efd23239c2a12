namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>cvt.sat between integers.</summary>
internal static class SaturatingCast
{
    /// <summary>
    /// Clamps a value, sign- or zero-extended to 64 bits, to an integer type of the given width. The result is extended
    /// in the same way as that type.
    /// </summary>
    public static long Clamp(long value, bool valueSigned, int bits, bool resultSigned)
    {
        var negative = valueSigned && value < 0;
        if (resultSigned)
        {
            var max = long.MaxValue >> (64 - bits);
            return negative ? Math.Max(value, ~max) : (ulong)value > (ulong)max ? max : value;
        }

        return negative ? 0 : (long)Math.Min((ulong)value, ulong.MaxValue >> (64 - bits));
    }
}
