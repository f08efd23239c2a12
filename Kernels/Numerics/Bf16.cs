using System.Runtime.CompilerServices;

namespace Llama4Kernels.Kernels.Numerics;

/// <summary>
/// bfloat16 as its 16 bits: the upper half of a float32. Kernels keep bf16 data as <see cref="ushort"/>, because the
/// runtime has no type for it.
/// </summary>
public static class Bf16
{
    /// <summary>The float32 with the same value (exact).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToSingle(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>Rounds to the nearest bf16, ties to even. NaN stays NaN (quiet), infinities and signed zeros are kept.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort FromSingle(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if ((bits & 0x7fff_ffff) > 0x7f80_0000)
        {
            return (ushort)((bits >> 16) | 0x40);
        }
        return (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary><paramref name="value"/> rounded to bf16 and widened again.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Round(float value) => ToSingle(FromSingle(value));
}
