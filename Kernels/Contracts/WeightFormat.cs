namespace Llama4Kernels.Kernels.Contracts;

/// <summary>What a weight becomes when it is packed.</summary>
public enum WeightFormat
{
    /// <summary>What it is in the file: bfloat16 and FP8 stay, all else becomes float32. Activations are not quantised.</summary>
    Stored,

    /// <summary>4-bit integers with a float32 scale per 128 inputs of a row. Activations are not quantised.</summary>
    Int4,

    /// <summary>E4M3 codes with a scale per row (a stored FP8 weight keeps its own); the product quantises activations per token.</summary>
    Fp8,
}
