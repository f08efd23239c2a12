namespace Llama4Kernels.Kernels.MatMul;

/// <summary>Implementations of the product, best first.</summary>
public enum MatMulStrategy
{
    /// <summary>Micro-kernels assembled at run time: AVX-512, with the BF16 dot product in bfloat16 precision.</summary>
    Assembled,

    /// <summary>Managed code on 512-bit vectors.</summary>
    Vector512,

    /// <summary>Managed code on 256-bit vectors.</summary>
    Vector256,

    /// <summary>Managed scalar code, on every machine.</summary>
    Scalar,
}
