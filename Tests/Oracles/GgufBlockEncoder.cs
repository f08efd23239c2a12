using System.Buffers.Binary;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Oracles;

/// <summary>Writes weights as GGUF blocks, in float32 by the rules that the format's own tool follows to the byte.</summary>
internal static class GgufBlockEncoder
{
    private static readonly int[] s_fp4 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

    /// <summary>The types it writes.</summary>
    public static IReadOnlyList<string> Types { get; } = ["BF16", "F16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "MXFP4"];

    /// <summary>The blocks of a row.</summary>
    public static byte[] Encode(string type, ReadOnlySpan<float> weights)
    {
        using var bytes = new MemoryStream();
        if (type is "BF16" or "F16")
        {
            foreach (float weight in weights)
            {
                Write(bytes, type == "F16" ? BitConverter.HalfToUInt16Bits((Half)weight) : Bf16.FromSingle(weight));
            }
            return bytes.ToArray();
        }
        if (type is "Q4_K" or "Q6_K")
        {
            for (int first = 0; first < weights.Length; first += 256)
            {
                ReadOnlySpan<float> block = weights.Slice(first, 256);
                if (type == "Q4_K")
                {
                    Q4_K(bytes, block);
                }
                else
                {
                    Q6_K(bytes, block);
                }
            }
            return bytes.ToArray();
        }
        for (int first = 0; first < weights.Length; first += 32)
        {
            Block(bytes, type, weights.Slice(first, 32));
        }
        return bytes.ToArray();
    }

    /// <summary>A sound block, if not the one that the format's tool would search for: each group's largest magnitude is the last code.</summary>
    private static void Q6_K(MemoryStream to, ReadOnlySpan<float> x)
    {
        Span<float> steps = stackalloc float[16];
        for (int i = 0; i < 256; i++)
        {
            steps[i / 16] = MathF.Max(steps[i / 16], MathF.Abs(x[i]) / 31);
        }
        Half half = (Half)(Max(steps) / 127);
        float d = (float)half;
        Span<byte> block = stackalloc byte[210];
        block.Clear();
        BinaryPrimitives.WriteHalfLittleEndian(block[208..], half);
        for (int i = 0; i < 256; i++)
        {
            int scale = d > 0 ? (int)MathF.Round(steps[i / 16] / d) : 0;
            block[192 + i / 16] = (byte)scale;
            int code = scale == 0 ? 32 : 32 + Math.Clamp((int)MathF.Round(x[i] / (d * scale)), -32, 31);
            // 128 weights: 64 bytes of low nibbles, the later half of the weights above the earlier; 32 bytes of the upper two bits.
            int half128 = i / 128, within = i % 128, quarter = within / 32;
            block[64 * half128 + within % 64] |= (byte)((code & 15) << (within / 64 * 4));
            block[128 + 32 * half128 + within % 32] |= (byte)(code >> 4 << (2 * quarter));
        }
        to.Write(block);
    }

    /// <summary>A sound block, if not the one that the format's tool would search for: each group from its least value, or zero, to its largest.</summary>
    private static void Q4_K(MemoryStream to, ReadOnlySpan<float> x)
    {
        Span<float> steps = stackalloc float[8], lows = stackalloc float[8];
        for (int g = 0; g < 8; g++)
        {
            float low = 0, high = 0;
            foreach (float value in x.Slice(32 * g, 32))
            {
                low = MathF.Min(low, value);
                high = MathF.Max(high, value);
            }
            (steps[g], lows[g]) = ((high - low) / 15, -low);
        }
        float d = (float)(Half)(Max(steps) / 63), dMin = (float)(Half)(Max(lows) / 63);
        Span<byte> block = stackalloc byte[144];
        block.Clear();
        BinaryPrimitives.WriteHalfLittleEndian(block, (Half)d);
        BinaryPrimitives.WriteHalfLittleEndian(block[2..], (Half)dMin);
        for (int g = 0; g < 8; g++)
        {
            int s = Math.Clamp((int)MathF.Round(steps[g] * Inverse(d)), 0, 63), m = Math.Clamp((int)MathF.Round(lows[g] * Inverse(dMin)), 0, 63);
            if (g < 4)
            {
                block[4 + g] |= (byte)s;
                block[8 + g] |= (byte)m;
            }
            else
            {
                block[8 + g] = (byte)((s & 15) | (m & 15) << 4);
                block[g] |= (byte)(s >> 4 << 6);
                block[4 + g] |= (byte)(m >> 4 << 6);
            }
            for (int l = 0; l < 32; l++)
            {
                int code = Math.Clamp((int)MathF.Round((x[32 * g + l] + dMin * m) * Inverse(d * s)), 0, 15);
                block[16 + 32 * (g / 2) + l] |= (byte)(code << (4 * (g % 2)));
            }
        }
        to.Write(block);
    }

    private static float Max(ReadOnlySpan<float> values) => System.Numerics.Tensors.TensorPrimitives.Max(values);

    private static void Block(MemoryStream to, string type, ReadOnlySpan<float> x)
    {
        float largest = 0, signed = 0, lowest = x[0], highest = x[0];
        foreach (float value in x)
        {
            signed = MathF.Abs(value) > largest ? value : signed;
            largest = MathF.Max(largest, MathF.Abs(value));
            lowest = MathF.Min(lowest, value);
            highest = MathF.Max(highest, value);
        }
        switch (type)
        {
            case "Q8_0":
                float d = largest / 127, inverse = Inverse(d);
                Write(to, Half16(d));
                foreach (float value in x)
                {
                    to.WriteByte((byte)(sbyte)MathF.Round(value * inverse, MidpointRounding.AwayFromZero));
                }
                break;
            case "Q4_0":
            case "Q5_0":
                int half = type == "Q4_0" ? 8 : 16;
                float step = signed / -half, times = Inverse(step);
                Write(to, Half16(step));
                Codes(to, type == "Q5_0", x, value => Math.Min(2 * half - 1, (int)(value * times + half + 0.5f)));
                break;
            case "Q4_1":
            case "Q5_1":
                int most = type == "Q4_1" ? 15 : 31;
                float part = (highest - lowest) / most, factor = Inverse(part);
                Write(to, Half16(part));
                Write(to, Half16(lowest));
                Codes(to, type == "Q5_1", x, value => Math.Min(most, (int)((value - lowest) * factor + 0.5f)));
                break;
            default:
                int exponent = largest > 0 ? (int)MathF.Floor(MathF.Log2(largest)) - 2 + 127 : 0;
                to.WriteByte((byte)exponent);
                float scale = (float)Math.Pow(2, exponent - 128);
                Codes(to, false, x, value => Enumerable.Range(0, 16).MinBy(i => MathF.Abs(s_fp4[i] * scale - value)));
                break;
        }
    }

    private static void Codes(MemoryStream to, bool five, ReadOnlySpan<float> x, Func<float, int> code)
    {
        int[] codes = Array.ConvertAll(x.ToArray(), value => code(value));
        uint fifth = 0;
        for (int i = 0; i < 32; i++)
        {
            fifth |= (uint)(codes[i] >> 4) << i;
        }
        if (five)
        {
            Write(to, (ushort)fifth);
            Write(to, (ushort)(fifth >> 16));
        }
        for (int i = 0; i < 16; i++)
        {
            to.WriteByte((byte)((codes[i] & 15) | (codes[i + 16] & 15) << 4));
        }
    }

    private static float Inverse(float d) => d == 0 ? 0 : 1 / d;

    private static ushort Half16(float value) => BitConverter.HalfToUInt16Bits((Half)value);

    private static void Write(MemoryStream to, ushort value)
    {
        Span<byte> bytes = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, value);
        to.Write(bytes);
    }
}
