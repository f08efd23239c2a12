using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Quantization.Gguf;

/// <summary>
/// Blocks of 256 weights in groups of 16 or 32, whose scales are small integers times the block's half d. A piece of a row has
/// one of them.
/// </summary>
internal static unsafe class GgufSuperBlocks
{
    /// <summary>16 bytes of scale and offset nibbles, 64 of codes, d, d'.</summary>
    public static void Q2_K(byte* block, int count, CodeRow row)
    {
        Vector128.Load(block).Store(row.Scales);
        TwoBits(block + 16, row.Codes);
        Half(block + 80, row.Supers);
        Half(block + 82, row.Supers + 1);
    }

    /// <summary>32 bytes of third bits, 64 of low bits, 12 of six-bit scales, d. A third bit that is not set means four less.</summary>
    public static void Q3_K(byte* block, int count, CodeRow row)
    {
        TwoBits(block + 32, row.Codes);
        Vector256<byte> high = Vector256.Load(block);
        for (int i = 0; i < 8; i++)
        {
            Vector256<byte> third = (high >>> i) & Vector256<byte>.One;
            (Vector256.Load(row.Codes + 32 * i) | (third << 2)).Store(row.Codes + 32 * i);
        }
        byte* scales = block + 96;
        for (int s = 0; s < 16; s++)
        {
            int low = s < 8 ? scales[s] & 15 : scales[s - 8] >> 4;
            int top = (scales[8 + s % 4] >> (2 * (s / 4))) & 3;
            row.Scales[s] = (byte)((low | (top << 4)) - 32);
        }
        Half(block + 108, row.Supers);
    }

    /// <summary>d, d', 12 bytes of six-bit scales and offsets, 128 of codes.</summary>
    public static void Q4_K<TCodes>(byte* block, int count, CodeRow row)
        where TCodes : struct, IFourBits
    {
        Half(block, row.Supers);
        Half(block + 2, row.Supers + 1);
        SixBits(block + 4, row);
        for (int i = 0; i < 4; i++)
        {
            Vector256<byte> pair = Vector256.Load(block + 16 + 32 * i);
            TCodes.Put(pair & Vector256.Create((byte)15), row.Codes, 64 * i);
            TCodes.Put(pair >>> 4, row.Codes, 64 * i + 32);
        }
    }

    /// <summary>d, d', 12 bytes of six-bit scales and offsets, 32 of fifth bits, 128 of low bits.</summary>
    public static void Q5_K(byte* block, int count, CodeRow row)
    {
        Half(block, row.Supers);
        Half(block + 2, row.Supers + 1);
        SixBits(block + 4, row);
        Vector256<byte> high = Vector256.Load(block + 16);
        for (int i = 0; i < 4; i++)
        {
            Vector256<byte> pair = Vector256.Load(block + 48 + 32 * i);
            Vector256<byte> even = (high >>> (2 * i)) & Vector256<byte>.One, odd = (high >>> (2 * i + 1)) & Vector256<byte>.One;
            ((pair & Vector256.Create((byte)15)) | (even << 4)).Store(row.Codes + 64 * i);
            ((pair >>> 4) | (odd << 4)).Store(row.Codes + 64 * i + 32);
        }
    }

    /// <summary>128 bytes of low halves, 64 of high bits, 16 signed scales, d.</summary>
    public static void Q6_K(byte* block, int count, CodeRow row)
    {
        for (int h = 0; h < 2; h++)
        {
            Vector256<byte> high = Vector256.Load(block + 128 + 32 * h);
            for (int j = 0; j < 4; j++)
            {
                Vector256<byte> low = Vector256.Load(block + 64 * h + 32 * (j & 1)) >>> (j & 2) * 2;
                Vector256<byte> top = (high >>> (2 * j)) & Vector256.Create((byte)3);
                ((low & Vector256.Create((byte)15)) | (top << 4)).Store(row.Codes + 128 * h + 32 * j);
            }
        }
        Vector128.Load(block + 192).Store(row.Scales);
        Half(block + 208, row.Supers);
    }

    /// <summary>d, 16 high bits and 4 bytes of low bits of eight six-bit scales, 128 bytes of codes as in Q4_0.</summary>
    public static void IQ4_XS<TCodes>(byte* block, int count, CodeRow row)
        where TCodes : struct, IFourBits
    {
        Half(block, row.Supers);
        int top = Unsafe.ReadUnaligned<ushort>(block + 2);
        for (int s = 0; s < 8; s++)
        {
            int low = (block[4 + s / 2] >> (4 * (s % 2))) & 15;
            row.Scales[s] = (byte)((low | (((top >> (2 * s)) & 3) << 4)) - 32);
            Vector128<byte> pair = Vector128.Load(block + 8 + 16 * s);
            TCodes.Put(Vector256.Create(pair & Vector128.Create((byte)15), pair >>> 4), row.Codes, 32 * s);
        }
    }

    private static void Half(byte* from, ushort* to) => *to = Unsafe.ReadUnaligned<ushort>(from);

    /// <summary>Four codes a byte: byte l of a half holds weights l, l + 32, l + 64 and l + 96.</summary>
    private static void TwoBits(byte* from, byte* codes)
    {
        for (int h = 0; h < 2; h++)
        {
            Vector256<byte> bytes = Vector256.Load(from + 32 * h);
            for (int j = 0; j < 4; j++)
            {
                ((bytes >>> (2 * j)) & Vector256.Create((byte)3)).Store(codes + 128 * h + 32 * j);
            }
        }
    }

    /// <summary>Eight scales and eight offsets: four of each have all six bits in a byte, the others two bits in those bytes' tops.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SixBits(byte* from, CodeRow row)
    {
        uint first = Unsafe.ReadUnaligned<uint>(from), second = Unsafe.ReadUnaligned<uint>(from + 4), third = Unsafe.ReadUnaligned<uint>(from + 8);
        uint* scales = (uint*)row.Scales, offsets = (uint*)row.Offsets;
        scales[0] = first & 0x3f3f3f3f;
        offsets[0] = second & 0x3f3f3f3f;
        scales[1] = (third & 0x0f0f0f0f) | ((first >> 2) & 0x30303030);
        offsets[1] = ((third >> 4) & 0x0f0f0f0f) | ((second >> 2) & 0x30303030);
    }
}
