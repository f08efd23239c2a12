namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Values of codes that are no integers in order.</summary>
internal static class CodeTables
{
    /// <summary>The non-linear 4-bit values of IQ4_NL and IQ4_XS.</summary>
    public static ReadOnlySpan<float> Iq4 => [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    /// <summary>Twice the values of 4-bit floats E2M1.</summary>
    public static ReadOnlySpan<float> Fp4 => [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];
}
