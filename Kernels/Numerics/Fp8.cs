namespace Llama4Kernels.Kernels.Numerics;

/// <summary>
/// FP8 E4M3 "FN": 1 sign, 4 exponent (bias 7), 3 mantissa bits; no infinities, 0x7F and 0xFF are NaN, largest value 448.
/// </summary>
public static class Fp8
{
    private static readonly float[] Values = [.. Enumerable.Range(0, 256).Select(code => Decode((byte)code))];

    /// <summary>The value of a code, exact.</summary>
    public static float ToSingle(byte code) => Values[code];

    private static float Decode(byte code)
    {
        int exponent = (code >> 3) & 15, mantissa = code & 7;
        float magnitude = (code & 0x7f) == 0x7f ? float.NaN
            : exponent == 0 ? MathF.ScaleB(mantissa, -9)
            : MathF.ScaleB(8 + mantissa, exponent - 10);
        return (code & 0x80) != 0 ? -magnitude : magnitude;
    }
}
