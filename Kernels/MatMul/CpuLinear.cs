using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>y = x·Wᵀ (+ bias) on tensors: checks shapes and hands over to the matrix product. x [T, in], y [T, out], bias [1, out].</summary>
internal sealed unsafe class CpuLinear : IDisposable
{
    private readonly MatMul _product;
    private readonly ActivationPrecision _precision;
    private readonly bool _isForced;
    private readonly ThreadTeam _team;
    private readonly CpuScratch _scratch = new();
    private readonly CpuScratch _parts = new();

    public CpuLinear(ThreadTeam team, ActivationPrecision precision, MatMulStrategy? strategy)
    {
        _product = new MatMul(team, strategy);
        _precision = precision;
        _team = team;
        _isForced = strategy is not null;
    }

    /// <summary>What products may make of their activations.</summary>
    public ActivationPrecision Precision => _precision;

    public string Description => $"{_product.Strategy}, {_precision} activations";

    /// <summary>How products with decoded weights run where plain ones run by the strategy.</summary>
    private AffineWidth Width => _product.Strategy switch
    {
        MatMulStrategy.Assembled => AffineWidth.Assembled,
        MatMulStrategy.Vector512 => AffineWidth.Vector512,
        MatMulStrategy.Vector256 => AffineWidth.Vector256,
        // Forced, or there are no vectors of 256 bits.
        _ => _isForced || !Vector128.IsHardwareAccelerated ? AffineWidth.Scalar : AffineWidth.Vector128,
    };

    /// <summary>Fills <paramref name="y"/>.</summary>
    /// <exception cref="ArgumentException">Shapes differ or the matrix is another backend's.</exception>
    public void Run(Tensor x, IMatrix weight, Tensor? bias, Tensor y)
    {
        Linear.Check(MemoryPlace.Host, x, weight, bias, y);
        Run(x.Pointer, x.Rows, weight, bias is Tensor given ? given.Pointer : null, y.Pointer);
    }

    private void Run(float* x, int tokens, IMatrix weight, float* bias, float* y)
    {
        switch (weight)
        {
            case PackedMatrix { IsDense: true } w:
                _product.Run(x, tokens, w, bias, y, _precision);
                break;
            case PackedMatrix w:
                QuantisedProduct.Run(_team, _scratch, x, tokens, w, bias, y, _product.Strategy == MatMulStrategy.Scalar);
                break;
            case AffineMatrix w:
                AffineProduct.Run(_team, _scratch, x, tokens, w, bias, y, Width);
                break;
            case StackedMatrix w:
                RunParts(x, tokens, w, bias, y);
                break;
            default:
                throw new ArgumentException($"The matrix is a {weight.GetType().Name}; make it with this backend's Pack.", nameof(weight));
        }
    }

    /// <summary>Each part's outputs beside each other, then where they belong.</summary>
    private void RunParts(float* x, int tokens, StackedMatrix w, float* bias, float* y)
    {
        int first = 0;
        foreach (IMatrix part in w.Parts)
        {
            float* outputs = (float*)_parts.Require((long)tokens * part.Rows * sizeof(float));
            Run(x, tokens, part, bias == null ? null : bias + first, outputs);
            for (int t = 0; t < tokens; t++)
            {
                new ReadOnlySpan<float>(outputs + (long)t * part.Rows, part.Rows).CopyTo(new Span<float>(y + (long)t * w.Rows + first, part.Rows));
            }
            first += part.Rows;
        }
    }

    public void Dispose()
    {
        _product.Dispose();
        _scratch.Dispose();
        _parts.Dispose();
    }
}
