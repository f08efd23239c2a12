namespace Llama4Kernels.Kernels.MatMul;

/// <summary>How a product with bf16 weights treats its activations. Sums are float32 either way.</summary>
public enum MatMulPrecision
{
    /// <summary>Activations stay float32; every product enters a fused multiply-add unrounded.</summary>
    Float32,

    /// <summary>Activations are rounded to bf16 (nearest even). Matrices kept as float32 ignore this and use float32.</summary>
    BFloat16,
}
