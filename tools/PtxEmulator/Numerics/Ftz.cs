using System.Runtime.CompilerServices;

namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>.ftz: subnormal numbers become zero and keep their sign.</summary>
internal static class Ftz
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Flush(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return (bits & 0x7F80_0000) == 0 ? BitConverter.UInt32BitsToSingle(bits & 0x8000_0000) : value;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Flush(double value)
    {
        var bits = BitConverter.DoubleToUInt64Bits(value);
        return (bits & 0x7FF0_0000_0000_0000) == 0 ? BitConverter.UInt64BitsToDouble(bits & 1UL << 63) : value;
    }

    /// <summary>f16 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort FlushF16(ushort bits) => (bits & 0x7C00) == 0 ? (ushort)(bits & 0x8000) : bits;

    /// <summary>bf16 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort FlushBF16(ushort bits) => (bits & 0x7F80) == 0 ? (ushort)(bits & 0x8000) : bits;
}
