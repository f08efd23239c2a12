using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Numerics;

/// <summary>
/// FP8 E4M3 "FN": 1 sign, 4 exponent (bias 7), 3 mantissa bits; no infinities, 0x7F and 0xFF are NaN, largest value 448.
/// </summary>
public static class Fp8
{
    /// <summary>The largest value.</summary>
    public const float Largest = 448;

    // float.NaN has its sign bit set.
    private static readonly float s_positiveNaN = BitConverter.UInt32BitsToSingle(0x7fc0_0000);

    private static readonly float[] s_values = [.. Enumerable.Range(0, 256).Select(code => Decode((byte)code))];

    /// <summary>The value of a code, exact.</summary>
    public static float ToSingle(byte code) => s_values[code];

    /// <summary>The nearest code, ties to even; beyond ±448 the largest, NaN stays NaN with its sign, as do signed zeros.</summary>
    public static byte FromSingle(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint sign = (bits >> 24) & 0x80, magnitude = bits & 0x7fff_ffff;
        float absolute = BitConverter.UInt32BitsToSingle(magnitude);
        uint code = float.IsNaN(value) ? 0x7f
            : absolute > Largest ? 0x7e
            : absolute < 0.015625f ? (uint)MathF.Round(absolute * 512) // subnormal: multiples of 2⁻⁹
            : ((magnitude + 0x7_ffff + ((magnitude >> 20) & 1)) >> 20) - (120 << 3);
        return (byte)(sign | code);
    }

    /// <summary>As <see cref="FromSingle(float)"/>, a code in each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> FromSingle(Vector512<float> values)
    {
        Vector512<uint> bits = values.AsUInt32(), sign = bits >>> 24 & Vector512.Create(0x80u), magnitude = bits & Vector512.Create(0x7fff_ffffu);
        Vector512<uint> normal = (magnitude + Vector512.Create(0x7_ffffu) + (magnitude >>> 20 & Vector512<uint>.One) >>> 20) - Vector512.Create(120u << 3);
        Vector512<float> absolute = magnitude.AsSingle();
        Vector512<uint> subnormal = Vector512.ConvertToInt32Native(Vector512.Round(absolute * 512)).AsUInt32();
        Vector512<uint> code = Vector512.ConditionalSelect(Vector512.LessThan(absolute, Vector512.Create(0.015625f)).AsUInt32(), subnormal, normal);
        code = Vector512.ConditionalSelect(Vector512.GreaterThan(absolute, Vector512.Create(Largest)).AsUInt32(), Vector512.Create(0x7eu), code);
        return sign | Vector512.ConditionalSelect(Vector512.Equals(values, values).AsUInt32(), code, Vector512.Create(0x7fu));
    }

    private static float Decode(byte code)
    {
        int exponent = (code >> 3) & 15, mantissa = code & 7;
        float magnitude = (code & 0x7f) == 0x7f ? s_positiveNaN
            : exponent == 0 ? MathF.ScaleB(mantissa, -9)
            : MathF.ScaleB(8 + mantissa, exponent - 10);
        return (code & 0x80) != 0 ? -magnitude : magnitude;
    }
}
