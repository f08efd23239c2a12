using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Backends;

/// <summary>
/// y = x·Wᵀ (+ bias) on tensors: checks shapes and calls the matrix product. x [T, in], y [T, out], bias [1, out].
/// Used by one forward pass at a time, like the product it owns.
/// </summary>
internal sealed unsafe class CpuLinear(ThreadTeam team, MatMulPrecision precision) : IDisposable
{
    private readonly MatMul.MatMul _product = new(team);

    /// <summary>The product's implementation.</summary>
    public MatMulStrategy Strategy => _product.Strategy;

    /// <summary>Rounding of activations.</summary>
    public MatMulPrecision Precision => precision;

    /// <summary>Fills <paramref name="y"/>.</summary>
    /// <exception cref="ArgumentException">Shapes differ or the matrix is another backend's.</exception>
    public void Run(Tensor x, IMatrix weight, Tensor? bias, Tensor y)
    {
        if (weight is not PackedMatrix matrix)
        {
            throw new ArgumentException($"The matrix is a {weight.GetType().Name}; make it with this backend's Pack.", nameof(weight));
        }
        ShapeCheck.Require(x, x.Rows, weight.Columns, nameof(x));
        ShapeCheck.Require(y, x.Rows, weight.Rows, nameof(y));
        float* biasPointer = null;
        if (bias is Tensor given)
        {
            ShapeCheck.Require(given, 1, weight.Rows, nameof(bias));
            biasPointer = given.Pointer;
        }
        _product.Run(x.Pointer, x.Rows, matrix, biasPointer, y.Pointer, precision);
    }

    /// <inheritdoc/>
    public void Dispose() => _product.Dispose();
}
