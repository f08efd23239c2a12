using BenchmarkDotNet.Attributes;
using Llama4Kernels.Benchmarks.Roofline;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Benchmarks.Activation;

/// <summary>GELU of the vision tower, one tile [577, 5632].</summary>
public class GeluBenchmarks : BackendBenchmarks
{
    private const int Tokens = 577, Columns = 5632;

    private Tensor _x;

    // In place, call after call: from 6 on Φ(x) rounds to 1 and x stays; smaller numbers would shrink into subnormals.
    [GlobalSetup]
    public void Setup() => _x = Numbers(Tokens, Columns, 6f, 8f);

    /// <inheritdoc/>
    public override KernelWork Work(string method) => new(50.0 * Tokens * Columns, 8.0 * Tokens * Columns);

    [Benchmark]
    public void Gelu() => Backend.Gelu(_x);
}
