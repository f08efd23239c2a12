using BenchmarkDotNet.Attributes;
using Llama4Kernels.Benchmarks.Roofline;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Benchmarks.Normalization;

/// <summary>
/// Root-mean-square normalisation of the text layers, D = 5120.
/// </summary>
public class RmsNormBenchmarks : BackendBenchmarks
{
    private const int D = 5120;

    private Tensor _x, _weight, _y;

    [Params(1, 512)]
    public int Tokens { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _x = Numbers(Tokens, D);
        _weight = Numbers(1, D);
        _y = Zeros(Tokens, D);
    }

    /// <inheritdoc/>
    public override KernelWork Work(string method) => new(4.0 * Tokens * D, 8.0 * Tokens * D);

    [Benchmark]
    public void RmsNorm() => Backend.RmsNorm(_x, _weight, 1e-5f, _y);
}
