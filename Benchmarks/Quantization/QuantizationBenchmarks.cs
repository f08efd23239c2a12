using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Benchmarks.Quantization;

/// <summary>One product [tokens, 5120] · [8192, 5120]ᵀ: 42 MB of FP8 or 22 MB of int4 weights, 84 MFLOP a token.</summary>
public class QuantizationBenchmarks : BackendBenchmarks
{
    private const int Rows = 8192, Columns = 5120;

    private IMatrix? _weights;
    private Tensor _x, _y;

    [Params(1, 32)]
    public int Tokens { get; set; }

    [Params("int4", "fp8a")]
    public string Format { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        ushort[] source = Bf16Numbers(Rows * Columns);
        _weights = Own(Backend.Pack([MatrixSource.RowMajor(Marshal.UnsafeAddrOfPinnedArrayElement(source, 0), ElementType.BF16, Rows, Columns)], WeightFormat.Get(Format)));
        GC.KeepAlive(source);
        _x = Numbers(Tokens, Columns);
        _y = Zeros(Tokens, Rows);
    }

    /// <summary>QuantisedProduct, through the backend.</summary>
    [Benchmark]
    public void QuantisedProduct() => Backend.Linear(_x, _weights!, null, _y);
}
