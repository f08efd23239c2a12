using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using Llama4Kernels.Benchmarks.Roofline;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Benchmarks.Quantization;

/// <summary>One product [tokens, 5120] · [16384, 5120]ᵀ.</summary>
public class QuantizationBenchmarks : BackendBenchmarks
{
    /// <summary>Of a weight of four bits with a float32 scale per 128 columns.</summary>
    internal const double Int4Bytes = (64 + 4) / 128.0;

    private const int Rows = 16384, Columns = 5120;

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

    /// <inheritdoc/>
    public override KernelWork Work(string method) => Format == "int4"
        ? Product(Tokens, Rows, Columns, Int4Bytes, Multipliers.Fma)
        : Product(Tokens, Rows, Columns, 1, Multipliers.BFloat16Dot);

    /// <summary>QuantisedProduct, through the backend.</summary>
    [Benchmark]
    public void QuantisedProduct() => Backend.Linear(_x, _weights!, null, _y);
}

/// <summary>The same product with x rounded to int8, on the integer dot product.</summary>
public class Int4ProductBenchmarks : BackendBenchmarks
{
    private const int Rows = 16384, Columns = 5120;

    private CpuWorkspace? _workspace;
    private Int4Panels? _weights;
    private Tensor _x, _y;

    [Params(1, 4, 32, 512)]
    public int Tokens { get; set; }

    [ParamsSource(nameof(Names))]
    public string Record { get; set; } = "";

    public static IEnumerable<string> Names => Kernels.Quantization.Int4Product.Products.Where(record => record.Lacks(CpuLimits.This) is null).Select(record => record.Name);

    [GlobalSetup]
    public void Setup()
    {
        ushort[] source = Bf16Numbers(Rows * Columns);
        _workspace = Own(new CpuWorkspace(Own(new ThreadTeam())));
        _weights = Own(Int4Panels.Pack([MatrixSource.RowMajor(Marshal.UnsafeAddrOfPinnedArrayElement(source, 0), ElementType.BF16, Rows, Columns)], _workspace.Team.Team));
        GC.KeepAlive(source);
        _x = Numbers(Tokens, Columns);
        _y = Zeros(Tokens, Rows);
    }

    /// <inheritdoc/>
    public override KernelWork Work(string method) => Product(Tokens, Rows, Columns, QuantizationBenchmarks.Int4Bytes, Multipliers.IntegerDot);

    /// <summary>Int4Product, by record.</summary>
    [Benchmark]
    public unsafe void Int4Product() =>
        Kernels.Quantization.Int4Product.Products.First(record => record.Name == Record)
            .Launch(_workspace!, new CpuOperands(_x.Pointer, Tokens, _weights!, null, _y.Pointer));
}

/// <summary>The same product with weights of eight bits and x rounded to int8.</summary>
public class Int8ProductBenchmarks : BackendBenchmarks
{
    private const int Rows = 16384, Columns = 5120;

    private CpuWorkspace? _workspace;
    private Int8Panels? _weights;
    private Tensor _x, _y;

    [Params(1, 4, 32, 512)]
    public int Tokens { get; set; }

    [ParamsSource(nameof(Names))]
    public string Record { get; set; } = "";

    public static IEnumerable<string> Names => Kernels.Quantization.Int8Product.Products.Where(record => record.Lacks(CpuLimits.This) is null).Select(record => record.Name);

    [GlobalSetup]
    public void Setup()
    {
        ushort[] source = Bf16Numbers(Rows * Columns);
        _workspace = Own(new CpuWorkspace(Own(new ThreadTeam())));
        _weights = Own(Int8Panels.Pack([new QuantisedMatrix(MatrixSource.RowMajor(Marshal.UnsafeAddrOfPinnedArrayElement(source, 0), ElementType.BF16, Rows, Columns))], _workspace.Team.Team));
        GC.KeepAlive(source);
        _x = Numbers(Tokens, Columns);
        _y = Zeros(Tokens, Rows);
    }

    /// <inheritdoc/>
    // A half as scale behind 32 codes.
    public override KernelWork Work(string method) => Product(Tokens, Rows, Columns, 34 / 32.0, Multipliers.IntegerDot);

    /// <summary>Int8Product, by record.</summary>
    [Benchmark]
    public unsafe void Int8Product() =>
        Kernels.Quantization.Int8Product.Products.First(record => record.Name == Record)
            .Launch(_workspace!, new CpuOperands(_x.Pointer, Tokens, _weights!, null, _y.Pointer));
}
