namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>
/// How a tensor core adds products: all of them and C are aligned to the largest exponent and cut after FractionBits bits.
/// The sum is rounded to nearest for an f16 result, or cut to ResultBits fraction bits of f32.
/// </summary>
internal readonly record struct TensorRule(MatrixElement A, MatrixElement B, bool HalfAccumulator, int FractionBits, int ResultBits)
{
    /// <summary>mma.sync and wgmma of f16, bf16 and tf32 on sm_90.</summary>
    public static TensorRule Hopper(MatrixElement a, MatrixElement b, bool halfAccumulator) => new(a, b, halfAccumulator, 25, 23);

    /// <summary>wgmma of e4m3 and e5m2 on sm_90: 13 bits everywhere.</summary>
    public static TensorRule HopperFloat8(MatrixElement a, MatrixElement b, bool halfAccumulator) => new(a, b, halfAccumulator, 13, 13);
}
