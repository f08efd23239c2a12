using Bits = ILGPU.Interop;

namespace Llama4Kernels.Kernels.Numerics;

/// <summary>
/// Elementary functions and number formats for device code, out of plain float32 operations only: nothing here becomes an
/// approximate instruction or a call into a library the module would not find.
/// </summary>
public static class DeviceMath
{
    // 1.5 · 2^23: adding it rounds a float32 to the nearest integer and leaves that integer in the low bits.
    private const float RoundingMagic = 12582912f;

    /// <summary>The float32 of bf16 bits, exact.</summary>
    public static float FromBf16(ushort bits) => Bits.IntAsFloat((uint)bits << 16);

    /// <summary>bf16 bits, rounded to nearest even; NaN stays NaN and becomes quiet.</summary>
    public static ushort ToBf16(float value)
    {
        uint bits = Bits.FloatAsInt(value);
        uint rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
        uint quiet = (bits >> 16) | 0x40u;
        return (ushort)((bits & 0x7fff_ffffu) > 0x7f80_0000u ? quiet : rounded);
    }

    /// <summary>The float32 of IEEE half bits, exact.</summary>
    public static float FromHalf(ushort bits)
    {
        uint magnitude = (uint)(bits & 0x7fff) << 13;
        uint sign = (uint)(bits & 0x8000) << 16;
        uint special = Bits.FloatAsInt(Bits.IntAsFloat(magnitude) * Bits.IntAsFloat(0x77800000u));
        uint value = (bits & 0x7c00) == 0x7c00 ? magnitude | 0x7f80_0000u : special;
        return Bits.IntAsFloat(value | sign);
    }

    /// <summary>The float32 of an FP8 E4M3 code, exact; 0x7f and 0xff are NaN.</summary>
    public static float FromFp8(byte code)
    {
        // As float32 bits the code has its exponent 120 too low, subnormals included: a product puts that right.
        uint magnitude = (uint)(code & 0x7f) << 20;
        uint scaled = Bits.FloatAsInt(Bits.IntAsFloat(magnitude) * Bits.IntAsFloat(0x7b800000u));
        uint value = (code & 0x7f) == 0x7f ? 0x7fc0_0000u : scaled;
        return Bits.IntAsFloat(value | ((uint)(code & 0x80) << 24));
    }

    /// <summary>The nearest FP8 E4M3 code, ties to even; beyond ±448 the largest, NaN stays NaN, signs stay.</summary>
    public static byte ToFp8(float value)
    {
        uint bits = Bits.FloatAsInt(value);
        uint magnitude = bits & 0x7fff_ffffu;
        // Subnormal codes are multiples of 2⁻⁹, which the sum rounds to.
        uint small = Bits.FloatAsInt(Bits.IntAsFloat(magnitude) * 512f + RoundingMagic) - Bits.FloatAsInt(RoundingMagic);
        uint normal = ((magnitude + 0x7_ffffu + ((magnitude >> 20) & 1u)) >> 20) - (120u << 3);
        uint code = magnitude < 0x3c80_0000u ? small : normal;
        code = magnitude > 0x43e0_0000u ? 0x7eu : code;
        code = magnitude > 0x7f80_0000u ? 0x7fu : code;
        return (byte)(code | ((bits >> 24) & 0x80u));
    }

    /// <summary>Whether the bits are a NaN's.</summary>
    public static bool IsNaN(float value) => (Bits.FloatAsInt(value) & 0x7fff_ffffu) > 0x7f80_0000u;

    /// <summary>eˣ, relative error below 3e-7; 0 and +∞ beyond the range, NaN stays NaN.</summary>
    public static float Exp(float x)
    {
        float limited = x < -110f ? -110f : x;
        limited = limited > 100f ? 100f : limited;
        float shifted = limited * 1.44269504f + RoundingMagic;
        float n = shifted - RoundingMagic;
        // The first part of ln 2 has few bits: its product with n is exact, fused or not.
        float r = limited - n * 0.693359375f + n * 2.12194440e-4f;
        float p = 1.9875691500e-4f;
        p = p * r + 1.3981999507e-3f;
        p = p * r + 8.3334519073e-3f;
        p = p * r + 4.1665795894e-2f;
        p = p * r + 1.6666665459e-1f;
        p = p * r + 5.0000001201e-1f;
        p = p * (r * r) + r + 1f;
        // 2ⁿ in two factors: n alone leaves the exponent's range near overflow and for subnormal results.
        int exponent = (int)(Bits.FloatAsInt(shifted) - Bits.FloatAsInt(RoundingMagic));
        int half = exponent >> 1;
        float first = Bits.IntAsFloat((uint)((half + 127) << 23));
        float second = Bits.IntAsFloat((uint)((exponent - half + 127) << 23));
        return IsNaN(x) ? x : p * first * second;
    }

    /// <summary>1 / (1 + e⁻ˣ).</summary>
    public static float Sigmoid(float x) => 1f / (1f + Exp(-x));

    /// <summary>silu(x) = x / (1 + e⁻ˣ).</summary>
    public static float Silu(float x) => x / (1f + Exp(-x));

    /// <summary>x · Φ(x) by minimax polynomials of the error function on two ranges, absolute error about 1e-7.</summary>
    public static float Gelu(float x)
    {
        float a = x * 0.70710678f;
        float t = a < 0f ? -a : a;
        t = t > 10f ? 10f : t;
        float s = t * t;
        float q = -1.72853470e-5f * t + 3.83197126e-4f;
        q = q * s + (-3.88396438e-3f * t + 2.42546219e-2f);
        q = q * t - 1.06777877e-1f;
        q = q * t - 6.34846687e-1f;
        q = q * t - 1.28717512e-1f;
        q = q * t - t;
        float halfTail = 0.5f * Exp(q);
        float far = x < 0f ? halfTail : 1f - halfTail;
        float p = -5.96761703e-4f;
        p = p * s + 4.99119423e-3f;
        p = p * s - 2.67681349e-2f;
        p = p * s + 1.12819925e-1f;
        p = p * s - 3.76125336e-1f;
        p = p * s + 1.28379166e-1f;
        float near = 0.5f * (p * a + a) + 0.5f;
        return x * (t > 0.927734375f ? far : near);
    }
}
