using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// y [T, out] = x [T, in] · Wᵀ (+ bias [out]), float32 sums. 2·T·in·out FLOPs. Which implementation runs is chosen from the
/// ordered lists <see cref="CpuProducts"/> and <see cref="CudaProducts"/>. NaN and infinities propagate as in the plain sum.
/// </summary>
internal static class MatMul
{
    /// <summary>Checks the operands, wherever the product runs. x [T, in], W [out, in], bias [1, out], y [T, out].</summary>
    /// <exception cref="ArgumentException">Shapes differ, or a tensor is not float32 or lies elsewhere.</exception>
    public static void Check(MemoryPlace place, Tensor x, IMatrix weight, Tensor? bias, Tensor y)
    {
        ShapeCheck.Require(x.Rows >= 0, "The number of rows is negative.", nameof(x));
        ShapeCheck.Require(x, place, x.Rows, weight.Columns, nameof(x));
        ShapeCheck.Require(y, place, x.Rows, weight.Rows, nameof(y));
        if (bias is Tensor given)
        {
            ShapeCheck.Require(given, place, 1, weight.Rows, nameof(bias));
        }
    }
}
