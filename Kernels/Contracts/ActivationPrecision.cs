namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// How coarsely products may round the activations that they multiply, finest first. The activations themselves, the residual
/// stream above all, are float32 tensors in every mode, and so are sums: a mode changes which products are taken, no operation
/// and no tensor. Where a weights' format has no product that rounds so far, the next finer one is taken.
/// </summary>
public enum ActivationPrecision
{
    /// <summary>Operands stay float32: the exact mode, whose logits match the reference to 1e-5 of their range.</summary>
    Float32,

    /// <summary>Operands may be rounded to bfloat16, nearest even.</summary>
    BFloat16,

    /// <summary>Operands may be rounded to integers −127 … 127 with a scale for each 128 columns of a row: the fast mode for weights that are integers.</summary>
    Int8,
}
