using BenchmarkDotNet.Attributes;
using Llama4Kernels.Benchmarks.Roofline;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Benchmarks.Normalization;

/// <summary>
/// Layer normalisation of the vision tower, one tile [577, 1408].
/// </summary>
public class LayerNormBenchmarks : BackendBenchmarks
{
    private const int T = 577, D = 16 * 88;

    private Tensor _x, _weight, _bias, _y;

    [GlobalSetup]
    public void Setup()
    {
        _x = Numbers(T, D);
        _weight = Numbers(1, D);
        _bias = Numbers(1, D);
        _y = Zeros(T, D);
    }

    /// <inheritdoc/>
    public override KernelWork Work(string method) => new(8.0 * T * D, 8.0 * T * D);

    [Benchmark]
    public void LayerNorm() => Backend.LayerNorm(_x, _weight, _bias, 1e-5f, _y);
}
