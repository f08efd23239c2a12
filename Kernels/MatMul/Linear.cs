using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>y = x·Wᵀ (+ bias). x [T, in], W [out, in], bias [1, out], y [T, out]. 2·T·in·out FLOPs.</summary>
internal static class Linear
{
    /// <summary>Checks the operands, wherever the product runs.</summary>
    /// <exception cref="ArgumentException">Shapes differ, or a tensor is not float32 or lies elsewhere.</exception>
    public static void Check(MemoryPlace place, Tensor x, IMatrix weight, Tensor? bias, Tensor y)
    {
        ShapeCheck.Require(x, place, x.Rows, weight.Columns, nameof(x));
        ShapeCheck.Require(y, place, x.Rows, weight.Rows, nameof(y));
        if (bias is Tensor given)
        {
            ShapeCheck.Require(given, place, 1, weight.Rows, nameof(bias));
        }
    }
}
