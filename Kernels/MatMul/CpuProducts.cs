using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>The ordered list of products on the host, and the choice from it. Experts are a product each.</summary>
/// <param name="activations">What products may make of their activations.</param>
/// <param name="forced">A record to be taken wherever it can be; null for none.</param>
/// <param name="limits">The processor; null for this one.</param>
internal sealed class CpuProducts(ActivationPrecision activations, string? forced = null, CpuLimits? limits = null)
    : ProductList<CpuProduct, CpuLimits>(All, limits ?? CpuLimits.This, "this processor", activations, forced)
{
    /// <summary>All records. Stored codes are multiplied as integers where there is the integer dot product, those of eight bits wherever code is assembled; else floats are faster.</summary>
    public static CpuProduct[] All { get; } =
    [
        .. MatMulDot.Products, .. MatMulCpu.Products, .. Int4Product.Products, .. QuantisedProduct.Products, .. Int8Product.Products[..Int8Product.BeforeFloats],
        .. CodedProduct.Products[..1], .. AffineProduct.Products, .. Int8Product.Products[Int8Product.BeforeFloats..], .. CodedProduct.Products[1..],
    ];
}
