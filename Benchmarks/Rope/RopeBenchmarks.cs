using BenchmarkDotNet.Attributes;
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

    /// <summary>T·d/2 products and as many sine-cosine pairs in float64; 4·T·d bytes written: 512 B for one token, 262 kB for 512.</summary>
    [Benchmark]
    public void RopeAngles() => Backend.RopeAngles(_frequencies, _positions, _angles);

    /// <summary>T logarithms in float64 and about 5·T FLOPs; 8·T bytes: 4 kB for 512 tokens.</summary>
    [Benchmark]
    public void QueryScales() => Backend.QueryScales(_positions, 0.1f, 8192f, _scales);
}
