using BenchmarkDotNet.Attributes;
using Llama4Kernels.Benchmarks.Roofline;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Benchmarks.Sampling;

/// <summary>The best token of each row at the vocabulary of the published models.</summary>
public class SamplingBenchmarks : BackendBenchmarks
{
    private const int Vocabulary = 202048;

    private Tensor _logits;
    private int[] _ids = [];

    [Params(1, 16)]
    public int Rows { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _logits = Numbers(Rows, Vocabulary);
        _ids = new int[Rows];
    }

    /// <inheritdoc/>
    public override KernelWork Work(string method) => new(1.0 * Rows * Vocabulary, 4.0 * Rows * Vocabulary);

    [Benchmark]
    public bool ArgMax() => Backend.TryArgMax(_logits, _ids);
}
