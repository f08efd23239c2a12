using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Sampling;

/// <summary>The best column of each row (<c>ArgMax</c>), on every backend alike.</summary>
public sealed class ArgMaxTests
{
    private const int Rows = 7;

    public static TheoryData<int, bool> Sizes()
    {
        var sizes = new TheoryData<int, bool>();
        foreach (int columns in (int[])[1, 2, 15, 50, 2048, 8191, 8193, 5 * 2048 + 77, 3 * 8192 + 5])
        {
            sizes.Add(columns, false);
            sizes.Add(columns, true);
        }
        return sizes;
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void TheFirstOfTheLargestAndNoneFromInvalidRows(int columns, bool onDevice)
    {
        using var emulated = new EmulatedBackend();
        using var cpu = new CpuBackend(new CpuBackendOptions { Threads = 2 });
        IBackend backend = onDevice ? emulated.Backend : cpu;
        var random = new Random(columns);
        float[] x = [.. Enumerable.Range(0, Rows * columns).Select(_ => (float)random.Next(-9, 9))];
        // Ties in several parts, zeros of both signs, and what is no number to choose by.
        x.AsSpan(columns, columns).Fill(2);
        x.AsSpan(2 * columns, columns).Fill(float.NegativeInfinity);
        x[3 * columns + columns / 2] = float.NaN;
        x[4 * columns + columns - 1] = float.PositiveInfinity;
        x.AsSpan(5 * columns, columns).Fill(0);
        x[5 * columns] = -0f;
        x.AsSpan(6 * columns, columns).Fill(float.NegativeInfinity);
        x[7 * columns - 1] = float.MinValue;
        using DeviceMemory memory = backend.Allocate(x.Length * sizeof(float));
        Tensor tensor = memory.View(Rows, columns);
        backend.Upload(x, tensor);
        var ids = new int[Rows];
        Assert.True(backend.TryArgMax(tensor, ids));
        Assert.Equal(Enumerable.Range(0, Rows).Select(row => SamplingOracle.Best(x[(row * columns)..((row + 1) * columns)])), ids);
        Assert.Equal([0, -1, -1, -1, 0, columns - 1], ids[1..]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void APlaceForEachRowIsNeeded(bool onDevice)
    {
        using var emulated = new EmulatedBackend();
        using var cpu = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        IBackend backend = onDevice ? emulated.Backend : cpu;
        using DeviceMemory memory = backend.Allocate(12 * sizeof(float));
        Tensor tensor = memory.View(3, 4);
        Assert.Throws<ArgumentException>(() => backend.TryArgMax(tensor, new int[2]));
        Assert.Throws<ArgumentException>(() => backend.TryArgMax(tensor, new int[4]));
        Assert.True(backend.TryArgMax(tensor.Slice(0, 0), []));
    }
}
