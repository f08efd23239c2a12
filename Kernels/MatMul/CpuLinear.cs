using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>y = x·Wᵀ (+ bias) on tensors: checks shapes and hands over to the matrix product. x [T, in], y [T, out], bias [1, out].</summary>
internal sealed unsafe class CpuLinear : IDisposable
{
    private readonly MatMul _product;
    private readonly MatMulPrecision _precision;
    private readonly ThreadTeam _team;
    private readonly CpuScratch _scratch = new();

    public CpuLinear(ThreadTeam team, MatMulPrecision precision, MatMulStrategy? strategy)
    {
        _product = new MatMul(team, strategy);
        _precision = precision;
        _team = team;
    }

    public string Description => $"{_product.Strategy}, {_precision} activations";

    /// <summary>Fills <paramref name="y"/>.</summary>
    /// <exception cref="ArgumentException">Shapes differ or the matrix is another backend's.</exception>
    public void Run(Tensor x, IMatrix weight, Tensor? bias, Tensor y)
    {
        if (weight is not PackedMatrix w)
        {
            throw new ArgumentException($"The matrix is a {weight.GetType().Name}; make it with this backend's Pack.", nameof(weight));
        }
        ShapeCheck.Require(x, x.Rows, weight.Columns, nameof(x));
        ShapeCheck.Require(y, x.Rows, weight.Rows, nameof(y));
        if (bias is Tensor b)
        {
            ShapeCheck.Require(b, 1, weight.Rows, nameof(bias));
        }
        float* biases = bias is Tensor given ? given.Pointer : null;
        if (!w.IsDense)
        {
            QuantisedProduct.Run(_team, _scratch, x.Pointer, x.Rows, w, biases, y.Pointer, _product.Strategy == MatMulStrategy.Scalar);
            return;
        }
        _product.Run(x.Pointer, x.Rows, w, biases, y.Pointer, _precision);
    }

    public void Dispose()
    {
        _product.Dispose();
        _scratch.Dispose();
    }
}
