namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>Types of the factors of matrix instructions.</summary>
internal enum MatrixElement
{
    F16,
    BF16,
    TF32,
    E4M3,
    E5M2,
    S8,
    U8,
    S4,
    U4,
    B1,
    F64,
}
