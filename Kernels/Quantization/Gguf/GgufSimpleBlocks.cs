using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Quantization.Gguf;

/// <summary>Blocks of 32 weights with one scale: a half d, perhaps a half m, perhaps fifth bits, then the codes.</summary>
internal static unsafe class GgufSimpleBlocks
{
    /// <summary>d, 16 bytes: low halves are weights 0 … 15, high ones 16 … 31. IQ4_NL has the same bytes.</summary>
    public static void Q4_0(byte* block, CodeRow row)
    {
        Scale(block, row.Scales);
        Nibbles(block + 2, row.Codes);
    }

    /// <summary>d, m, 16 bytes as in <see cref="Q4_0"/>.</summary>
    public static void Q4_1(byte* block, CodeRow row)
    {
        Scale(block, row.Scales);
        Scale(block + 2, row.Offsets);
        Nibbles(block + 4, row.Codes);
    }

    /// <summary>d, the 32 fifth bits, 16 bytes as in <see cref="Q4_0"/>.</summary>
    public static void Q5_0(byte* block, CodeRow row)
    {
        Scale(block, row.Scales);
        Nibbles(block + 6, row.Codes);
        FifthBits(block + 2, row.Codes);
    }

    /// <summary>d, m, the 32 fifth bits, 16 bytes as in <see cref="Q4_0"/>.</summary>
    public static void Q5_1(byte* block, CodeRow row)
    {
        Scale(block, row.Scales);
        Scale(block + 2, row.Offsets);
        Nibbles(block + 8, row.Codes);
        FifthBits(block + 4, row.Codes);
    }

    /// <summary>d, 32 signed bytes, which here become −128 … 127 counted from 0.</summary>
    public static void Q8_0(byte* block, CodeRow row)
    {
        Scale(block, row.Scales);
        (Vector256.Load(block + 2) ^ Vector256.Create((byte)0x80)).Store(row.Codes);
    }

    /// <summary>A power of two, 16 bytes as in <see cref="Q4_0"/>.</summary>
    public static void Mxfp4(byte* block, CodeRow row)
    {
        row.Scales[0] = block[0];
        Nibbles(block + 1, row.Codes);
    }

    private static void Scale(byte* from, byte* to) => Unsafe.WriteUnaligned(to, Unsafe.ReadUnaligned<ushort>(from));

    private static void Nibbles(byte* from, byte* codes)
    {
        Vector128<byte> bytes = Vector128.Load(from);
        (bytes & Vector128.Create((byte)15)).Store(codes);
        (bytes >>> 4).Store(codes + 16);
    }

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
