using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Codes of a row in words of 32 bits in the order that products of integers read: byte j of a word has columns 4q + j, so that a
/// shift and a mask give four columns at once, a byte each (a quad).
/// <code>
/// 2, 4, 8 bits   a word has 4, 2, 1 quads, the first in the lowest bits of every byte
/// 3 bits         32 columns in 3 words: the low two bits of 16 columns each, then the third of all
/// 5 bits         32 columns in 5 words: the low four bits of 8 columns each, then the fifth of all
/// 6 bits         16 columns in 3 words: the low four bits of 8 columns each, then the upper two of all
/// </code>
/// </summary>
internal static unsafe class CodeLines
{
    /// <summary>Bits of a code in the words that come first: all of them, or the low ones.</summary>
    public static int LowBits(int bits) => bits switch
    {
        8 => 8,
        >= 4 => 4,
        _ => 2,
    };

    /// <summary>Where the low bits of a quad lie: in which word of the row, and above how many bits of every byte.</summary>
    public static (int Word, int Shift) Low(int bits, int column)
    {
        (int unit, int quad) = Place(bits, column);
        int low = LowBits(bits), quads = 8 / low;
        return (unit + quad / quads, quad % quads * low);
    }

    /// <summary>Where the other bits of a quad lie, in formats that have such.</summary>
    public static (int Word, int Shift) High(int bits, int column)
    {
        (int unit, int quad) = Place(bits, column);
        int low = LowBits(bits);
        return (unit + CodeFormats.Unit(bits) * low / 32, quad * (bits - low));
    }

    /// <summary>The code of a column of a slab, whose words lie <see cref="AffineLayout.PanelRows"/> apart.</summary>
    public static int Code(int bits, uint* words, int column)
    {
        const int Stride = AffineLayout.PanelRows;
        int low = LowBits(bits), at = 8 * (column % 4);
        (int word, int shift) = Low(bits, column);
        uint code = words[word * Stride] >> (shift + at) & ((1u << low) - 1);
        if (bits > low)
        {
            (word, shift) = High(bits, column);
            code |= (words[word * Stride] >> (shift + at) & ((1u << (bits - low)) - 1)) << low;
        }
        return (int)code;
    }

    /// <summary>
    /// Packs a multiple of the format's unit of codes into words that follow one another; bytes up to the next 64 are readable, and
    /// up to three words behind the last are written.
    /// </summary>
    public static void Pack(int bits, byte* codes, int columns, uint* words)
    {
        if (bits == 8)
        {
            Unsafe.CopyBlockUnaligned(words, codes, (uint)columns);
            return;
        }
        for (int c = 0; c < columns; c += 32, words += bits)
        {
            Vector256<byte> own = Vector256.Load(codes + c);
            switch (bits)
            {
                case 2:
                    Fours(own).Store(words);
                    break;
                case 3:
                    Fours(own & Vector256.Create((byte)3)).Store(words);
                    words[2] = Eights(own >>> 2);
                    break;
                case 4:
                    Nibbles(own).Store(words);
                    break;
                case 5:
                    Pairs(own & Vector256.Create((byte)15), 4).Store(words);
                    words[4] = Eights(own >>> 4);
                    break;
                default:
                    Vector128<ulong> low = Pairs(own & Vector256.Create((byte)15), 4).AsUInt64();
                    Vector64<uint> high = Fours(own >>> 4);
                    Unsafe.WriteUnaligned(words, low.GetElement(0));
                    words[2] = high.GetElement(0);
                    if (columns - c > 16)
                    {
                        Unsafe.WriteUnaligned(words + 3, low.GetElement(1));
                        words[5] = high.GetElement(1);
                    }
                    break;
            }
        }
    }

    /// <summary>32 codes of four bits, a byte each, as the four words that <see cref="Pack"/> makes of them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Nibbles(Vector256<byte> codes) => Pairs(codes, 4);

    /// <summary>The first word of the unit that has a column, and which quad of it the column is in.</summary>
    private static (int Word, int Quad) Place(int bits, int column)
    {
        int unit = CodeFormats.Unit(bits);
        return (column / unit * (unit * bits / 32), column % unit / 4);
    }

    /// <summary>Eight quads of codes of a few bits become four words of two.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Pairs(Vector256<byte> quads, int bits)
    {
        Vector256<ulong> pairs = quads.AsUInt64() | quads.AsUInt64() >>> (32 - bits);
        return Vector128.Narrow(pairs.GetLower(), pairs.GetUpper());
    }

    /// <summary>Eight quads of codes of two bits become two words of four.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector64<uint> Fours(Vector256<byte> quads)
    {
        Vector128<ulong> pairs = Pairs(quads, 2).AsUInt64();
        return Vector128.Narrow(pairs | pairs >>> 28, default).GetLower();
    }

    /// <summary>Eight quads of single bits become a word.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Eights(Vector256<byte> quads)
    {
        Vector128<ulong> pairs = Pairs(quads, 1).AsUInt64();
        pairs |= pairs >>> 30;
        return pairs.AsUInt32().GetElement(0) | pairs.AsUInt32().GetElement(2) << 4;
    }
}
