namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// What products may make of the activations that they multiply. The activations themselves, the residual stream above all, are
/// float32 tensors in every mode, and so are sums: a mode changes which products are taken, no operation and no tensor.
/// </summary>
public enum ActivationPrecision
{
    /// <summary>Operands stay float32: the exact mode, whose logits match the reference to 1e-5 of their range.</summary>
    Float32,

    /// <summary>Operands are rounded to bfloat16, nearest even, where there is a product with the weights' format that does: the fast mode.</summary>
    BFloat16,
}
