using BenchmarkDotNet.Attributes;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Benchmarks.Activation;

/// <summary>Elementwise operations of the text layers, D = 5120, F = 8192.</summary>
public class ActivationBenchmarks : BackendBenchmarks
{
    private const int D = 5120, F = 8192;

    private Tensor _gateUp, _hidden, _x, _residual;

    [Params(1, 512)]
    public int Tokens { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _gateUp = Numbers(Tokens, 2 * F, -4f, 4f);
        _hidden = Zeros(Tokens, F);
        _x = Numbers(Tokens, D);
        _residual = Numbers(Tokens, D);
    }

    /// <summary>About 25·T·F FLOPs and 12·T·F bytes: 205 kFLOP and 98 kB for one token, 105 MFLOP and 50 MB for 512.</summary>
    [Benchmark]
    public void SwiGlu() => Backend.SwiGlu(_gateUp, _hidden);

    /// <summary>T·D FLOPs and 12·T·D bytes: 5 kFLOP and 61 kB for one token, 2.6 MFLOP and 31 MB for 512.</summary>
    [Benchmark]
    public void ResidualAdd() => Backend.Add(_x, _residual);
}
