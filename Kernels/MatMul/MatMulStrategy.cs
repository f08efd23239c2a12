namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// Implementations of the product, best first. All but <see cref="Avx512Bf16"/> give bitwise equal results for equal
/// activations.
/// </summary>
public enum MatMulStrategy
{
    /// <summary>The first that the processor, the format and the precision allow.</summary>
    Auto,

    /// <summary>
    /// vdpbf16ps, assembled at run time: bf16 weights with <see cref="MatMulPrecision.BFloat16"/> only. The instruction
    /// treats subnormal inputs and sums as zero.
    /// </summary>
    Avx512Bf16,

    /// <summary>512-bit vectors.</summary>
    Avx512,

    /// <summary>256-bit vectors with FMA.</summary>
    Avx2,

    /// <summary>128-bit vectors of any processor.</summary>
    Portable,
}
