using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Where codes of four bits go, 32 at a time, a byte each.</summary>
internal unsafe interface IFourBits
{
    /// <summary>Puts 32 codes from a column on.</summary>
    static abstract void Put(Vector256<byte> codes, byte* to, int column);
}

/// <summary>A byte per code.</summary>
internal readonly unsafe struct FourBitCodes : IFourBits
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Put(Vector256<byte> codes, byte* to, int column) => codes.Store(to + column);
}

/// <summary>Words in the order of <see cref="CodeLines"/>.</summary>
internal readonly unsafe struct FourBitLines : IFourBits
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Put(Vector256<byte> codes, byte* to, int column) => CodeLines.Nibbles(codes).Store((uint*)(to + column / 2));
}
