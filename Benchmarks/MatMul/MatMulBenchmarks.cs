using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using Llama4Kernels.Benchmarks.Roofline;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Benchmarks.MatMul;

/// <summary><c>MatMul</c>: one product [tokens, 5120] · [8192, 5120]ᵀ with bf16 weights (84 MB, beyond the caches).</summary>
public unsafe class MatMulBenchmarks : IKernelBenchmark
{
    private const int Rows = 8192, Columns = 5120;

    private ThreadTeam? _team;
    private CpuLinear? _linear;
    private PackedMatrix? _weights;
    private float* _x;
    private float* _y;

    [Params(1, 4, 32, 512)]
    public int Tokens { get; set; }

    [Params(ActivationPrecision.Float32, ActivationPrecision.BFloat16)]
    public ActivationPrecision Precision { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _team = new ThreadTeam();
        _linear = new CpuLinear(_team, Precision, null);
        var random = new Random(1);
        ushort[] source = new ushort[Rows * Columns];
        for (int i = 0; i < source.Length; i++)
        {
            source[i] = Bf16.FromSingle(random.NextSingle() - 0.5f);
        }
        fixed (ushort* data = source)
        {
            _weights = PackedMatrix.Pack([MatrixSource.RowMajor((nint)data, ElementType.BF16, Rows, Columns)], null, _team);
        }
        _x = (float*)NativeMemory.AlignedAlloc((nuint)(Tokens * Columns * sizeof(float)), 64);
        _y = (float*)NativeMemory.AlignedAlloc((nuint)(Tokens * Rows * sizeof(float)), 64);
        for (int i = 0; i < Tokens * Columns; i++)
        {
            _x[i] = random.NextSingle() - 0.5f;
        }
    }

    /// <inheritdoc/>
    public KernelWork Work(string method) => BackendBenchmarks.Product(Tokens, Rows, Columns, sizeof(ushort), Precision == ActivationPrecision.BFloat16 ? Multipliers.BFloat16Dot : Multipliers.Fma);

    [Benchmark]
    public void Multiply() => _linear!.Run(
        new Tensor((nint)_x, Tokens, Columns, ElementType.F32, MemoryPlace.Host), _weights!, null, new Tensor((nint)_y, Tokens, Rows, ElementType.F32, MemoryPlace.Host));

    [GlobalCleanup]
    public void Cleanup()
    {
        _weights!.Dispose();
        _linear!.Dispose();
        _team!.Dispose();
        NativeMemory.AlignedFree(_x);
        NativeMemory.AlignedFree(_y);
    }
}
