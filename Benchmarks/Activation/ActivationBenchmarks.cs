using BenchmarkDotNet.Attributes;
using Llama4Kernels.Benchmarks.Roofline;
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

    /// <inheritdoc/>
    public override KernelWork Work(string method) => method switch
    {
        // The exponential and the division count as 22.
        nameof(SwiGlu) => new(25.0 * Tokens * F, 12.0 * Tokens * F),
        _ => new(1.0 * Tokens * D, 12.0 * Tokens * D),
    };

    [Benchmark]
    public void SwiGlu() => Backend.SwiGlu(_gateUp, _hidden);

    [Benchmark]
    public void ResidualAdd() => Backend.Add(_x, _residual);
}
