using BenchmarkDotNet.Attributes;
using Llama4Kernels.Benchmarks.Roofline;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Rope;

namespace Llama4Kernels.Benchmarks.Rope;

/// <summary>Tables that a forward pass makes once for all layers, d = 128, positions from 100,000.</summary>
public class RopeBenchmarks : BackendBenchmarks
{
    private const int HeadDim = 128;

    private float[] _frequencies = [];
    private int[] _positions = [];
    private Tensor _angles, _scales;

    [Params(1, 512)]
    public int Tokens { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _frequencies = RopeFrequencies.Compute(HeadDim, 500_000f, new RopeScaling(16f, 1f, 1f, 8192));
        _positions = [.. Enumerable.Range(100_000, Tokens)];
        _angles = Zeros(Tokens, HeadDim);
        _scales = Zeros(Tokens, 1);
    }

    /// <inheritdoc/>
    public override KernelWork Work(string method) => method switch
    {
        // A product, a sine and a cosine in float64 for two of the results.
        nameof(RopeAngles) => new(41.0 * Tokens * HeadDim / 2, 4.0 * Tokens * HeadDim),
        // A logarithm in float64.
        _ => new(25.0 * Tokens, 8.0 * Tokens),
    };

    [Benchmark]
    public void RopeAngles() => Backend.RopeAngles(_frequencies, _positions, _angles);

    [Benchmark]
    public void QueryScales() => Backend.QueryScales(_positions, 0.1f, 8192f, _scales);
}
