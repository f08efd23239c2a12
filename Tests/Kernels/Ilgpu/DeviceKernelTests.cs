using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Ilgpu;

/// <summary>Every device kernel against float64 on whatever runs it. Sizes follow the runner's group.</summary>
public abstract partial class DeviceKernelTests : IDisposable
{
    private readonly DeviceRunner _device;

    private protected DeviceKernelTests(DeviceRunner device) => _device = device;

    private int N => _device.Threads;

    public void Dispose()
    {
        _device.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(37)]
    [InlineData(300)]
    public void Norms(int columns)
    {
        float[] x = Numbers(3 * columns, 1, 2f), weight = Numbers(columns, 2), bias = Numbers(columns, 3);
        DeviceBuffer xs = _device.Upload(x), ws = _device.Upload(weight), bs = _device.Upload(bias), output = Zeros<float>(x.Length);
        Run("rms_norm", (3, 1, 1), xs, ws, output, columns, 1e-5f);
        Closeness.Check(NormOracle.RmsNorm(x, weight, 1e-5f), Floats(output), 1e-6);
        // In place.
        Run("layer_norm", (3, 1, 1), xs, ws, bs, xs, columns, 1e-5f);
        Closeness.Check(NormOracle.LayerNorm(x, weight, bias, 1e-5f), Floats(xs), 2e-6);
    }

    [Fact]
    public void Elementwise()
    {
        float[] x = [.. Numbers(60, 4, 6f), 0f, -0f, 30f, -30f];
        DeviceBuffer xs = _device.Upload(x), output = Zeros<float>(32);
        Run("swiglu", (4, 2, 1), xs, output, 8);
        double[] expected = [.. Enumerable.Range(0, 32).Select(i => ActivationOracle.Silu(x[i / 8 * 16 + i % 8]) * x[i / 8 * 16 + 8 + i % 8])];
        Closeness.Check(expected, Floats(output), 1e-6);
        Run("gelu", (3, 1, 1), xs, (long)x.Length);
        float[] gelu = Floats(xs);
        Assert.All(Enumerable.Range(0, x.Length), i => Assert.Equal(ActivationOracle.Gelu(x[i]), gelu[i], 3e-7 * Math.Max(1, Math.Abs(x[i]))));
        Run("residual_add", (2, 1, 1), output, xs, 32L);
        float[] sums = Floats(xs), swiglu = Floats(output);
        Assert.All(Enumerable.Range(0, x.Length), i => Assert.Equal(i < 32 ? gelu[i] + swiglu[i] : gelu[i], sums[i]));
    }

    [Fact]
    public void EmbeddingsOfThreeFormats()
    {
        float[] table = [.. Numbers(5 * 7, 5).Select(Bf16.Round)];
        int[] ids = [4, 0, 4];
        DeviceBuffer idView = _device.Upload(ids), output = Zeros<float>(3 * 6);
        float[] expected = [.. ids.SelectMany(id => table[(id * 7)..(id * 7 + 6)])];
        Run("embed_f32", (3, 1, 1), _device.Upload(table), idView, output, 6, 7L);
        Assert.Equal(expected, Floats(output));
        output = Zeros<float>(3 * 6);
        Run("embed_bf16", (3, 1, 1), _device.Upload(Array.ConvertAll(table, Bf16.FromSingle)), idView, output, 6, 7L);
        Assert.Equal(expected, Floats(output));
        output = Zeros<float>(3 * 6);
        Run("embed_f16", (3, 1, 1), _device.Upload(Array.ConvertAll(table, value => BitConverter.HalfToUInt16Bits((System.Half)value))), idView, output, 6, 7L);
        Assert.Equal(Array.ConvertAll(expected, value => (float)(System.Half)value), Floats(output));
    }

    private static float[] Numbers(int count, int seed, float range = 1f)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2f - 1f) * range)];
    }

    private void Run(string kernel, (int X, int Y, int Z) grid, params object?[] arguments) => _device.Launch(kernel, grid, (N, 1), arguments);

    private DeviceBuffer Zeros<T>(int count) where T : unmanaged => _device.Upload(new T[count]);

    private float[] Floats(DeviceBuffer buffer) => _device.Download<float>(buffer);
}
