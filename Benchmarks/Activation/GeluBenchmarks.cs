using BenchmarkDotNet.Attributes;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Benchmarks.Activation;

/// <summary>
/// GELU of the vision tower, one tile [577, 5632]. Per call about 50 FLOPs and 8 bytes per element: 162 MFLOP and 26 MB.
/// </summary>
public class GeluBenchmarks : BackendBenchmarks
{
    private Tensor _x;

    // In place, call after call: from 6 on Φ(x) rounds to 1 and x stays; smaller numbers would shrink into subnormals.
    [GlobalSetup]
    public void Setup() => _x = Numbers(577, 5632, 6f, 8f);

    [Benchmark]
    public void Gelu() => Backend.Gelu(_x);
}
