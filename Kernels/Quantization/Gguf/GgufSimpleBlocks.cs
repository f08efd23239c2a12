using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Quantization.Gguf;

/// <summary>Blocks of 32 weights with one scale: a half d, perhaps a half m, perhaps fifth bits, then the codes.</summary>
internal static unsafe class GgufSimpleBlocks
{
    private const int Columns = 32;

    /// <summary>d, 16 bytes: low halves are weights 0 … 15, high ones 16 … 31. IQ4_NL has the same bytes.</summary>
    public static void Q4_0<TCodes>(byte* block, int count, CodeRow row)
        where TCodes : struct, IFourBits
    {
        for (int i = 0; i < count; i++, block += 18)
        {
            Half(block, row.Scales, i);
            TCodes.Put(Nibbles(block + 2), row.Codes, Columns * i);
        }
    }

    /// <summary>d, m, 16 bytes as in <see cref="Q4_0{TCodes}"/>.</summary>
    public static void Q4_1<TCodes>(byte* block, int count, CodeRow row)
        where TCodes : struct, IFourBits
    {
        for (int i = 0; i < count; i++, block += 20)
        {
            Half(block, row.Scales, i);
            Half(block + 2, row.Offsets, i);
            TCodes.Put(Nibbles(block + 4), row.Codes, Columns * i);
        }
    }

    /// <summary>d, the 32 fifth bits, 16 bytes as in <see cref="Q4_0{TCodes}"/>.</summary>
    public static void Q5_0(byte* block, int count, CodeRow row)
    {
        for (int i = 0; i < count; i++, block += 22)
        {
            Half(block, row.Scales, i);
            FourBitCodes.Put(Nibbles(block + 6), row.Codes, Columns * i);
            FifthBits(block + 2, row.Codes + Columns * i);
        }
    }

    /// <summary>d, m, the 32 fifth bits, 16 bytes as in <see cref="Q4_0{TCodes}"/>.</summary>
    public static void Q5_1(byte* block, int count, CodeRow row)
    {
        for (int i = 0; i < count; i++, block += 24)
        {
            Half(block, row.Scales, i);
            Half(block + 2, row.Offsets, i);
            FourBitCodes.Put(Nibbles(block + 8), row.Codes, Columns * i);
            FifthBits(block + 4, row.Codes + Columns * i);
        }
    }

    /// <summary>d, 32 signed bytes, which here become −128 … 127 counted from 0.</summary>
    public static void Q8_0(byte* block, int count, CodeRow row)
    {
        for (int i = 0; i < count; i++, block += 34)
        {
            Half(block, row.Scales, i);
            (Vector256.Load(block + 2) ^ Vector256.Create((byte)0x80)).Store(row.Codes + Columns * i);
        }
    }

    /// <summary>A power of two, 16 bytes as in <see cref="Q4_0{TCodes}"/>.</summary>
    public static void Mxfp4<TCodes>(byte* block, int count, CodeRow row)
        where TCodes : struct, IFourBits
    {
        for (int i = 0; i < count; i++, block += 17)
        {
            row.Scales[i] = block[0];
            TCodes.Put(Nibbles(block + 1), row.Codes, Columns * i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Half(byte* from, byte* to, int index) => Unsafe.WriteUnaligned(to + 2 * index, Unsafe.ReadUnaligned<ushort>(from));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Nibbles(byte* from)
    {
        Vector128<byte> bytes = Vector128.Load(from);
        return Vector256.Create(bytes & Vector128.Create((byte)15), bytes >>> 4);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FifthBits(byte* from, byte* codes)
    {
        // Each byte of bits goes to eight lanes, where a lane keeps its own.
        Vector128<byte> own = Vector128.Create(0x8040201008040201ul).AsByte();
        for (int half = 0; half < 2; half++)
        {
            Vector128<byte> bits = Vector128.Create(from[2 * half] * 0x0101010101010101ul, from[2 * half + 1] * 0x0101010101010101ul).AsByte();
            Vector128<byte> fifth = Vector128.Equals(bits & own, own) & Vector128.Create((byte)16);
            (Vector128.Load(codes + 16 * half) | fifth).Store(codes + 16 * half);
        }
    }
}
