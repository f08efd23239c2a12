using System.Buffers.Binary;

namespace Llama4Kernels.Tests.Oracles;

/// <summary>The values of GGUF blocks, an element at a time and in float64, as the definition states them.</summary>
internal static class GgufBlockOracle
{
    private static readonly int[] s_iq4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
    private static readonly double[] s_fp4 = [0, 0.5, 1, 1.5, 2, 3, 4, 6];

    /// <summary>Element <paramref name="x"/> of a block.</summary>
    public static double Value(string type, ReadOnlySpan<byte> b, int x)
    {
        // Of 32: byte x % 16, its low half for the first sixteen.
        int Nibble(ReadOnlySpan<byte> q) => x % 32 < 16 ? q[x % 16] & 15 : q[x % 16] >> 4;
        int Bit(ReadOnlySpan<byte> bits) => (int)(BinaryPrimitives.ReadUInt32LittleEndian(bits) >> x) & 1;
        // Of 256: x = 128·h + 32·j + l.
        int h = x / 128, j = x / 32 % 4, l = x % 32, s = x / 16, g = x / 32;
        switch (type)
        {
            case "Q4_0": return Half(b) * (Nibble(b[2..]) - 8);
            case "Q4_1": return Half(b) * Nibble(b[4..]) + Half(b[2..]);
            case "Q5_0": return Half(b) * ((Nibble(b[6..]) | Bit(b[2..]) << 4) - 16);
            case "Q5_1": return Half(b) * (Nibble(b[8..]) | Bit(b[4..]) << 4) + Half(b[2..]);
            case "Q8_0": return Half(b) * (sbyte)b[2 + x];
            case "IQ4_NL": return Half(b) * s_iq4[Nibble(b[2..])];
            case "MXFP4":
                int code = Nibble(b[1..]);
                return Math.Pow(2, b[0] - 127) * s_fp4[code & 7] * (code < 8 ? 1 : -1);
            case "Q2_K":
                int two = (b[16 + 32 * h + l] >> (2 * j)) & 3;
                return Half(b[80..]) * (b[s] & 15) * two - Half(b[82..]) * (b[s] >> 4);
            case "Q3_K":
                int low = s < 8 ? b[96 + s] & 15 : b[96 + s - 8] >> 4;
                int scale = (low | ((b[104 + s % 4] >> (2 * (s / 4))) & 3) << 4) - 32;
                int three = ((b[32 + 32 * h + l] >> (2 * j)) & 3) - (((b[l] >> (4 * h + j)) & 1) != 0 ? 0 : 4);
                return Half(b[108..]) * scale * three;
            case "Q4_K":
                (int s4, int m4) = SixBits(b[4..16], g);
                return Half(b) * s4 * Pair(b[16..], g, l) - Half(b[2..]) * m4;
            case "Q5_K":
                (int s5, int m5) = SixBits(b[4..16], g);
                return Half(b) * s5 * (Pair(b[48..], g, l) | ((b[16 + l] >> g) & 1) << 4) - Half(b[2..]) * m5;
            case "Q6_K":
                int u = x % 64, t = x % 128 / 64;
                int six = (((b[64 * h + u] >> (4 * t)) & 15) | ((b[128 + 32 * h + l] >> (2 * j)) & 3) << 4) - 32;
                return Half(b[208..]) * (sbyte)b[192 + s] * six;
            case "IQ4_XS":
                int ls = (((b[4 + g / 2] >> (4 * (g % 2))) & 15) | ((BinaryPrimitives.ReadUInt16LittleEndian(b[2..]) >> (2 * g)) & 3) << 4) - 32;
                return Half(b) * ls * s_iq4[Nibble(b[(8 + 16 * g)..])];
            default: throw new ArgumentException($"There is no {type}.", nameof(type));
        }
    }

    private static int Pair(ReadOnlySpan<byte> codes, int group, int lane) => (codes[32 * (group / 2) + lane] >> (4 * (group % 2))) & 15;

    private static (int Scale, int Offset) SixBits(ReadOnlySpan<byte> sc, int group) => group < 4
        ? (sc[group] & 63, sc[group + 4] & 63)
        : ((sc[group + 4] & 15) | (sc[group - 4] >> 6) << 4, (sc[group + 4] >> 4) | (sc[group] >> 6) << 4);

    private static double Half(ReadOnlySpan<byte> bytes) => (double)BinaryPrimitives.ReadHalfLittleEndian(bytes);
}
