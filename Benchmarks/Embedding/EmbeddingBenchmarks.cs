using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using Llama4Kernels.Benchmarks.Roofline;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Benchmarks.Embedding;

/// <summary>
/// Rows of a bf16 table, D = 5120, at random ids. The table has 16,384 rows, 168 MB: beyond the caches, like the model's.
/// </summary>
public class EmbeddingBenchmarks : BackendBenchmarks
{
    private const int V = 16_384, D = 5120;

    private ushort[] _source = [];
    private int[] _ids = [];
    private IEmbedding? _table;
    private Tensor _y;

    [Params(1, 512)]
    public int Tokens { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _source = Bf16Numbers(V * D);
        _table = Own(Backend.CreateEmbedding(
            MatrixSource.RowMajor(Marshal.UnsafeAddrOfPinnedArrayElement(_source, 0), ElementType.BF16, V, D)));
        var random = new Random(2);
        _ids = [.. Enumerable.Range(0, Tokens).Select(_ => random.Next(V))];
        _y = Zeros(Tokens, D);
    }

    /// <inheritdoc/>
    public override KernelWork Work(string method) => new(0, (2.0 + 4) * Tokens * D);

    [Benchmark]
    public void TokenEmbedding() => Backend.Embed(_table!, _ids, _y);
}
