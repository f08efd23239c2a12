using BenchmarkDotNet.Attributes;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Benchmarks.Normalization;

/// <summary>
/// Root-mean-square normalisation of the text layers, D = 5120.
/// Per call 4·T·D FLOPs and 8·T·D bytes: 20 kFLOP and 41 kB for one token, 10 MFLOP and 21 MB for 512.
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

    [Benchmark]
    public void RmsNorm() => Backend.RmsNorm(_x, _weight, 1e-5f, _y);
}
