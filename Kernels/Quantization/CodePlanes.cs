using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Codes of a row in words of 32 bits in the order that a device reads: any four columns from a multiple of four on are one
/// shift of one word, or of two. 2, 4 and 8 bits lie as <see cref="CodeWords"/> has them.
/// <code>
/// 3 bits   32 columns in 3 words: the low two bits of 16 columns each, then the third of all
/// 5 bits   32 columns in 5 words: the low four bits of 8 columns each, then the fifth of all
/// 6 bits   16 columns in 3 words: the low four bits of 8 columns each, then the upper two of all
/// </code>
/// </summary>
internal static unsafe class CodePlanes
{
    /// <summary>Packs a multiple of the format's unit of codes into words that follow one another; bytes up to the next 64 are readable.</summary>
    public static void Pack(int bits, byte* codes, int columns, uint* words)
    {
        if (bits is not (3 or 5 or 6))
        {
            CodeWords.Pack(bits, codes, columns, words);
            return;
        }
        int low = bits == 3 ? 2 : 4, unit = bits == 6 ? 16 : 32, count = unit * bits / 32;
        byte* part = stackalloc byte[Vector256<byte>.Count + 64];
        for (int c = 0; c < columns; c += unit, words += count)
        {
            Vector256<byte> own = Vector256.Load(codes + c);
            (own & Vector256.Create((byte)((1 << low) - 1))).Store(part);
            CodeWords.Pack(low, part, unit, words);
            uint* last = words + count - 1;
            if (bits == 6)
            {
                (own >>> low).Store(part);
                CodeWords.Pack(bits - low, part, unit, last);
            }
            else
            {
                *last = Vector256.ExtractMostSignificantBits(own << (8 - bits));
            }
        }
    }
}
