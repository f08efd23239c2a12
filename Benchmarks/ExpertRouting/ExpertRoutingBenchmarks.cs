using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using Llama4Kernels.Benchmarks.Roofline;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Benchmarks.ExpertRouting;

/// <summary>
/// Routed experts of one layer, D = 5120, F = 8192, E = 16, k = 1, bf16 weights. All experts share one set of weights: its
/// 252 MB lie beyond the caches, so each chosen expert still reads them from memory.
/// </summary>
public class ExpertRoutingBenchmarks : BackendBenchmarks
{
    private const int D = 5120, F = 8192, E = 16, K = 1;

    private readonly ExpertWeights[] _experts = new ExpertWeights[E];
    private Routing? _routing;
    private Tensor _logits, _x, _y;

    [Params(1, 32, 512)]
    public int Tokens { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        ushort[] source = Bf16Numbers(2 * F * D);
        nint data = Marshal.UnsafeAddrOfPinnedArrayElement(source, 0);
        IMatrix gateUp = Own(Backend.Pack([MatrixSource.RowMajor(data, ElementType.BF16, 2 * F, D)]));
        IMatrix down = Own(Backend.Pack([MatrixSource.RowMajor(data, ElementType.BF16, D, F)]));
        GC.KeepAlive(source);
        Array.Fill(_experts, new ExpertWeights(gateUp, down));
        _routing = Own(Backend.CreateRouting(Tokens, E, K));
        _logits = Numbers(Tokens, E);
        _x = Numbers(Tokens, D);
        _y = Zeros(Tokens, D);
        TopKRouting();
    }

    /// <inheritdoc/>
    public override KernelWork Work(string method) => method switch
    {
        // Comparisons, and sigmoids of those that are chosen.
        nameof(TopKRouting) => new(Tokens * (E + (20.0 * K)), Tokens * ((4.0 * E) + (8 * K))),
        // Each chosen expert's weights are read; from 32 tokens on nearly all of them are chosen.
        _ => new(6.0 * Tokens * K * D * F, (2.0 * 3 * D * F * Math.Min(E, Tokens * K)) + (8.0 * Tokens * D)),
    };

    [Benchmark]
    public void TopKRouting() => Backend.RouteTopK(_logits, _routing!);

    [Benchmark]
    public void ExpertFeedForward() => Backend.ExpertFeedForward(_x, _routing!, _experts, _y);
}
