using BenchmarkDotNet.Attributes;
using Llama4Kernels.Benchmarks.Roofline;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Benchmarks;

/// <summary>What the benchmarks of operations share: a CPU backend with all threads, and tensors of reproducible numbers.</summary>
public abstract class BackendBenchmarks : IKernelBenchmark
{
    private readonly List<IDisposable> _owned = [];
    private readonly Random _random = new(1);

    protected IBackend Backend { get; } = new CpuBackend();

    /// <inheritdoc/>
    public abstract KernelWork Work(string method);

    [GlobalCleanup]
    public void Cleanup()
    {
        _owned.ForEach(owned => owned.Dispose());
        _owned.Clear();
        Backend.Dispose();
    }

    /// <summary>The work of a product x [tokens, columns] · w [rows, columns]ᵀ: the weights are read once, in their format.</summary>
    internal static KernelWork Product(int tokens, int rows, int columns, double bytesPerWeight, Multipliers multipliers) =>
        new(2.0 * tokens * rows * columns, (bytesPerWeight * rows * columns) + (sizeof(float) * (double)tokens * (rows + columns)), multipliers);

    /// <summary>Disposes <paramref name="value"/> after the benchmark.</summary>
    protected T Own<T>(T value) where T : IDisposable
    {
        _owned.Add(value);
        return value;
    }

    /// <summary>A tensor of zeros.</summary>
    protected Tensor Zeros(int rows, int columns) => Own(Backend.Allocate((long)rows * columns * sizeof(float))).View(rows, columns);

    /// <summary>A tensor of numbers from <paramref name="low"/> to <paramref name="high"/>.</summary>
    protected Tensor Numbers(int rows, int columns, float low = -0.5f, float high = 0.5f)
    {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = low + (high - low) * _random.NextSingle();
        }
        Tensor tensor = Zeros(rows, columns);
        Backend.Upload(values, tensor);
        return tensor;
    }

    /// <summary>bf16 numbers from −0.5 to 0.5 in memory that does not move.</summary>
    protected ushort[] Bf16Numbers(int count)
    {
        ushort[] values = GC.AllocateUninitializedArray<ushort>(count, pinned: true);
        for (int i = 0; i < count; i++)
        {
            values[i] = Bf16.FromSingle(_random.NextSingle() - 0.5f);
        }
        return values;
    }
}
