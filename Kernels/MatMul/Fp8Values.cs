namespace Llama4Kernels.Kernels.MatMul;

/// <summary>The float32 values of the 256 FP8 E4M3 codes: bias 7, no infinities, NaN at 0x7f and 0xff.</summary>
internal static class Fp8Values
{
    public static readonly float[] Table = Build();

    private static float[] Build()
    {
        float[] table = new float[256];
        for (int code = 0; code < 256; code++)
        {
            int exponent = (code >> 3) & 15;
            int mantissa = code & 7;
            float magnitude = (code & 0x7f) == 0x7f ? float.NaN
                : exponent == 0 ? MathF.ScaleB(mantissa, -9)
                : MathF.ScaleB(8 + mantissa, exponent - 10);
            table[code] = (code & 0x80) != 0 ? -magnitude : magnitude;
        }
        return table;
    }
}
