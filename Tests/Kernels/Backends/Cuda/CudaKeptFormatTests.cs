using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.Tests.Kernels.Quantization;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>Formats that only the processor keeps: the device gets the numbers that they stand for.</summary>
public sealed class CudaKeptFormatTests : IDisposable
{
    private readonly EmulatedCudaDriver _driver = new();

    public void Dispose() => _driver.Dispose();

    [Theory]
    [InlineData("Q4_K", 256)]
    [InlineData("uint4g32-bf16-zero", 64)]
    public void Products_are_those_of_the_decoded_weights(string name, int columns)
    {
        const int Rows = 5, Tokens = 2;
        using IBackend backend = EmulatedBackend.Create(_driver);
        using var stored = new RandomCodes(name, Rows, columns, seed: 21);
        using IMatrix packed = backend.Pack([stored.Matrix]);
        Assert.Equal(WeightFormat.F32, packed.Format);
        var random = new Random(22);
        float[] x = [.. Enumerable.Range(0, Tokens * columns).Select(_ => random.NextSingle() - 0.5f)], y = new float[Tokens * Rows];
        using DeviceMemory xs = backend.Allocate(x.Length * sizeof(float)), ys = backend.Allocate(y.Length * sizeof(float));
        backend.Upload(x, xs.View(Tokens, columns));
        backend.Linear(xs.View(Tokens, columns), packed, null, ys.View(Tokens, Rows));
        backend.Download(ys.View(Tokens, Rows), y);
        (double[] expected, double[] magnitude) = MatMulOracle.Run(x, stored.Values(), null, Tokens, Rows, columns, roundX: false);
        Assert.All(Enumerable.Range(0, y.Length), i => Assert.True(Math.Abs(y[i] - expected[i]) <= magnitude[i] * 2e-6));
    }

    [Fact]
    public void Symmetric_groups_of_128_are_the_devices_int4()
    {
        using IBackend backend = EmulatedBackend.Create(_driver);
        using var stored = new RandomCodes("int4g128-bf16", 3, 256, seed: 23);
        using IMatrix packed = backend.Pack([stored.Matrix]);
        Assert.Equal(WeightFormat.Int4, packed.Format);
    }
}
