using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using Llama4Kernels.Benchmarks.Roofline;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Quantization.Gguf;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Benchmarks.Quantization;

/// <summary>One product [tokens, 5120] · [16384, 5120]ᵀ with GGUF's blocks as they are stored.</summary>
public class AffineBenchmarks : BackendBenchmarks
{
    private const int Rows = 16384, Columns = 5120;

    private IMatrix? _weights;
    private Tensor _x, _y;

    [Params(1, 32)]
    public int Tokens { get; set; }

    [Params("Q4_0", "Q4_K", "Q6_K", "Q8_0")]
    public string Type { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        GgufBlockType type = GgufBlockType.Find(Type)!;
        byte[] blocks = GC.AllocateUninitializedArray<byte>(Rows * (Columns / type.Columns) * type.Bytes, pinned: true);
        new Random(1).NextBytes(blocks);
        _weights = Own(Backend.Pack([new GgufMatrix(Marshal.UnsafeAddrOfPinnedArrayElement(blocks, 0), type, Rows, Columns)]));
        GC.KeepAlive(blocks);
        _x = Numbers(Tokens, Columns);
        _y = Zeros(Tokens, Rows);
    }

    /// <inheritdoc/>
    public override KernelWork Work(string method) => Product(Tokens, Rows, Columns, (double)GgufBlockType.Find(Type)!.Bytes / GgufBlockType.Find(Type)!.Columns, Multipliers.Fma);

    /// <summary>AffineProduct, through the backend.</summary>
    [Benchmark]
    public void AffineProduct() => Backend.Linear(_x, _weights!, null, _y);
}

/// <summary>The same product with x rounded to int8, on products of integers.</summary>
public class CodedBenchmarks : BackendBenchmarks
{
    private const int Rows = 16384, Columns = 5120;

    private CpuWorkspace? _workspace;
    private AffineMatrix? _weights;
    private Tensor _x, _y;

    [Params(1, 4, 32)]
    public int Tokens { get; set; }

    [Params("Q4_0", "Q4_K", "Q6_K", "Q8_0")]
    public string Type { get; set; } = "";

    [ParamsSource(nameof(Names))]
    public string Record { get; set; } = "";

    public static IEnumerable<string> Names => Kernels.Quantization.CodedProduct.Products.Where(record => record.Lacks(CpuLimits.This) is null).Select(record => record.Name);

    [GlobalSetup]
    public void Setup()
    {
        GgufBlockType type = GgufBlockType.Find(Type)!;
        byte[] blocks = GC.AllocateUninitializedArray<byte>(Rows * (Columns / type.Columns) * type.Bytes, pinned: true);
        new Random(1).NextBytes(blocks);
        _workspace = Own(new CpuWorkspace(Own(new ThreadTeam())));
        _weights = Own(AffineMatrix.Pack([new GgufMatrix(Marshal.UnsafeAddrOfPinnedArrayElement(blocks, 0), type, Rows, Columns)], CodeOrder.Lines, _workspace.Team.Team));
        GC.KeepAlive(blocks);
        _x = Numbers(Tokens, Columns);
        _y = Zeros(Tokens, Rows);
    }

    /// <inheritdoc/>
    public override KernelWork Work(string method) => Product(Tokens, Rows, Columns, (double)GgufBlockType.Find(Type)!.Bytes / GgufBlockType.Find(Type)!.Columns, Multipliers.IntegerDot);

    /// <summary>CodedProduct, by record.</summary>
    [Benchmark]
    public unsafe void CodedProduct() =>
        Kernels.Quantization.CodedProduct.Products.First(record => record.Name == Record)
            .Launch(_workspace!, new CpuOperands(_x.Pointer, Tokens, _weights!, null, _y.Pointer));
}
