using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Codes of a row in words of 32 bits, in an order in which a vector of words (a lane per row) gives column after column by
/// shifts.
/// <code>
/// 2, 4, 8 bits   word k: columns 16k, 8k, 4k and on, from the lowest bits up
/// 6 bits         16 columns in 3 words: five in each; the sixteenth is their top bits, two of each
/// 5 bits         32 columns in 5 words: six in each; column 30 is the top bits of words 0, 1 and the lower of word 4,
///                column 31 those of words 2, 3 and the upper of word 4
/// 3 bits         32 columns in 3 words: columns 0 … 9 in word 0, 16 … 25 in word 1, 10 … 14 and 26 … 30 in word 2;
///                column 15 is the top bits of word 0 and the lower of word 2, column 31 those of word 1 and the upper of word 2
/// </code>
/// </summary>
internal static unsafe class CodeWords
{
    /// <summary>Packs a multiple of the format's unit of codes into words that follow one another; bytes up to the next 64 are readable.</summary>
    public static void Pack(int bits, byte* codes, int columns, uint* words)
    {
        switch (bits)
        {
            case 2:
                for (int c = 0; c < columns; c += 16, words++)
                {
                    // Neighbours join to four bits, those to a byte.
                    Vector128<ushort> pairs = Joined(Vector128.Load(codes + c), 6);
                    Vector128<ushort> quads = Joined(Vector128.Narrow(pairs, pairs), 4);
                    *words = Vector128.Narrow(quads, quads).AsUInt32().ToScalar();
                }
                break;
            case 4:
                FourBits(codes, columns, words);
                break;
            case 8:
                Unsafe.CopyBlockUnaligned(words, codes, (uint)columns);
                break;
            case 3:
                for (int c = 0; c < columns; c += 32, words += 3)
                {
                    byte* low = codes + c, high = low + 16;
                    words[0] = Run(3, low, 10) | (uint)(low[15] & 3) << 30;
                    words[1] = Run(3, high, 10) | (uint)(high[15] & 3) << 30;
                    words[2] = Run(3, low + 10, 5) | Run(3, high + 10, 5) << 15 | (uint)(low[15] >> 2) << 30 | (uint)(high[15] >> 2) << 31;
                }
                break;
            case 5:
                for (int c = 0; c < columns; c += 32, words += 5)
                {
                    uint first = codes[c + 30], second = codes[c + 31];
                    words[0] = Run(5, codes + c, 6) | first << 30;
                    words[1] = Run(5, codes + c + 6, 6) | first >> 2 << 30;
                    words[2] = Run(5, codes + c + 12, 6) | second << 30;
                    words[3] = Run(5, codes + c + 18, 6) | second >> 2 << 30;
                    words[4] = Run(5, codes + c + 24, 6) | first >> 4 << 30 | second >> 4 << 31;
                }
                break;
            default:
                for (int c = 0; c < columns; c += 16, words += 3)
                {
                    uint last = codes[c + 15];
                    words[0] = Run(6, codes + c, 5) | last << 30;
                    words[1] = Run(6, codes + c + 5, 5) | last >> 2 << 30;
                    words[2] = Run(6, codes + c + 10, 5) | last >> 4 << 30;
                }
                break;
        }
    }

    private static void FourBits(byte* codes, int columns, uint* words)
    {
        int c = 0;
        for (; c <= columns - 32; c += 32, words += 4)
        {
            Vector256<ushort> all = Vector256.Load(codes + c).AsUInt16(), pairs = (all | all >>> 4) & Vector256.Create((ushort)0xff);
            Vector128.Narrow(pairs.GetLower(), pairs.GetUpper()).AsUInt32().Store(words);
        }
        for (; c < columns; c += 8, words++)
        {
            Vector128<ushort> pairs = Joined(Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(codes + c)).AsByte(), 4);
            *words = Vector128.Narrow(pairs, pairs).AsUInt32().ToScalar();
        }
    }

    /// <summary>The code of a column of a slab, whose words lie <see cref="AffineLayout.PanelRows"/> apart.</summary>
    public static int Code(int bits, uint* words, int column)
    {
        const int Stride = AffineLayout.PanelRows;
        int c = column % 32;
        switch (bits)
        {
            case 3:
                uint* w = words + column / 32 * 3 * Stride;
                uint own = w[c / 16 * Stride], shared = w[2 * Stride];
                int half = c / 16, at = c % 16;
                return (int)(at switch
                {
                    < 10 => own >> (3 * at),
                    < 15 => shared >> (15 * half + 3 * (at - 10)),
                    _ => own >> 30 | shared >> (30 + half) << 2,
                } & 7);
            case 5:
                w = words + column / 32 * 5 * Stride;
                return (int)(c switch
                {
                    < 30 => w[c / 6 * Stride] >> (5 * (c % 6)),
                    30 => w[0] >> 30 | w[Stride] >> 30 << 2 | w[4 * Stride] >> 30 << 4 & 16,
                    _ => w[2 * Stride] >> 30 | w[3 * Stride] >> 30 << 2 | w[4 * Stride] >> 31 << 4,
                } & 31);
            case 6:
                w = words + column / 16 * 3 * Stride;
                c %= 16;
                return (int)((c < 15 ? w[c / 5 * Stride] >> (6 * (c % 5)) : w[0] >> 30 | w[Stride] >> 30 << 2 | w[2 * Stride] >> 30 << 4) & 63);
            default:
                int perWord = 32 / bits;
                return (int)(words[column / perWord * Stride] >> (column % perWord * bits)) & ((1 << bits) - 1);
        }
    }

    /// <summary>Bytes in pairs: the even one and the odd one above it, in the low byte of each 16 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> Joined(Vector128<byte> codes, int shift) =>
        (codes.AsUInt16() | codes.AsUInt16() >>> shift) & Vector128.Create((ushort)0xff);

    /// <summary>A few codes one after another from bit 0 on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Run(int bits, byte* codes, int count)
    {
        if (Bmi2.X64.IsSupported)
        {
            ulong mask = (ulong)((1 << bits) - 1) * 0x0101010101010101ul;
            int first = Math.Min(count, 8);
            uint run = (uint)Bmi2.X64.ParallelBitExtract(Unsafe.ReadUnaligned<ulong>(codes), mask >> (64 - 8 * first));
            return count <= 8 ? run : run | (uint)Bmi2.X64.ParallelBitExtract(Unsafe.ReadUnaligned<ulong>(codes + 8), mask >> (64 - 8 * (count - 8))) << (8 * bits);
        }
        uint word = 0;
        for (int i = 0; i < count; i++)
        {
            word |= (uint)codes[i] << (bits * i);
        }
        return word;
    }
}
