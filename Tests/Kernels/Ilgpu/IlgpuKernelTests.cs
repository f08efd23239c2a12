using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using Llama4Kernels.Kernels.Activation;
using Llama4Kernels.Kernels.Embedding;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Ilgpu;

/// <summary>The kernels on ILGPU's simulated processor device (groups of 4 threads) against float64.</summary>
public sealed class IlgpuKernelTests : IDisposable
{
    private readonly Context _context = Context.Create(builder => builder.CPU(new CPUDevice(4, 1, 1)));
    private readonly Accelerator _device;

    public IlgpuKernelTests() => _device = _context.CreateCPUAccelerator(0);

    public void Dispose()
    {
        _device.Dispose();
        _context.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(37)]
    public void Norms(int columns)
    {
        float[] x = Random(3 * columns, 1, 2f), weight = Random(columns, 2), bias = Random(columns, 3);
        using var xs = Upload(x);
        using var ws = Upload(weight);
        using var bs = Upload(bias);
        using var output = _device.Allocate1D<float>(x.Length);
        _device.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int, float>(RmsNormIlgpu.Run)(new KernelConfig(3, 4), xs.View, ws.View, output.View, columns, 1e-5f);
        Closeness.Check(NormOracle.RmsNorm(x, weight, 1e-5f), output.GetAsArray1D(), 1e-6);
        _device.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, float>(LayerNormIlgpu.Run)(new KernelConfig(3, 4), xs.View, ws.View, bs.View, xs.View, columns, 1e-5f);
        Closeness.Check(NormOracle.LayerNorm(x, weight, bias, 1e-5f), xs.GetAsArray1D(), 2e-6);
    }

    [Fact]
    public void Activations()
    {
        float[] x = [.. Random(60, 4, 6f), 0f, -0f, 30f, -30f];
        using var xs = Upload(x);
        using var output = _device.Allocate1D<float>(32);
        _device.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int>(SwiGluIlgpu.Run)(new KernelConfig(new Index3D(4, 2, 1), new Index3D(4, 1, 1)), xs.View, output.View, 8);
        double[] expected = [.. Enumerable.Range(0, 32).Select(i => ActivationOracle.Silu(x[i / 8 * 16 + i % 8]) * x[i / 8 * 16 + 8 + i % 8])];
        Closeness.Check(expected, output.GetAsArray1D(), 1e-6);
        _device.LoadStreamKernel<ArrayView<float>, long>(GeluIlgpu.Run)(new KernelConfig(3, 4), xs.View, x.Length);
        float[] gelu = xs.GetAsArray1D();
        Assert.All(Enumerable.Range(0, x.Length), i => Assert.Equal(ActivationOracle.Gelu(x[i]), gelu[i], 3e-7 * Math.Max(1, Math.Abs(x[i]))));
        _device.LoadStreamKernel<ArrayView<float>, ArrayView<float>, long>(ResidualAddIlgpu.Run)(new KernelConfig(2, 4), output.View, xs.View, 32);
        float[] sums = xs.GetAsArray1D(), swiglu = output.GetAsArray1D();
        Assert.All(Enumerable.Range(0, x.Length), i => Assert.Equal(i < 32 ? gelu[i] + swiglu[i] : gelu[i], sums[i]));
    }

    [Fact]
    public void Embeddings_of_three_formats()
    {
        float[] table = [.. Random(5 * 7, 5).Select(Bf16.Round)];
        int[] ids = [4, 0, 4];
        using var f32 = Upload(table);
        using var bf16 = Upload(Array.ConvertAll(table, Bf16.FromSingle));
        using var f16 = Upload(Array.ConvertAll(table, value => BitConverter.HalfToUInt16Bits((System.Half)value)));
        using var idView = Upload(ids);
        using var output = _device.Allocate1D<float>(3 * 6);
        float[] expected = [.. ids.SelectMany(id => table[(id * 7)..(id * 7 + 6)])];
        _device.LoadStreamKernel<ArrayView<float>, ArrayView<int>, ArrayView<float>, int, long>(TokenEmbeddingIlgpu.F32)(new KernelConfig(3, 4), f32.View, idView.View, output.View, 6, 7L);
        Assert.Equal(expected, output.GetAsArray1D());
        output.MemSetToZero();
        _device.LoadStreamKernel<ArrayView<ushort>, ArrayView<int>, ArrayView<float>, int, long>(TokenEmbeddingIlgpu.Bf16)(new KernelConfig(3, 4), bf16.View, idView.View, output.View, 6, 7L);
        Assert.Equal(expected, output.GetAsArray1D());
        _device.LoadStreamKernel<ArrayView<ushort>, ArrayView<int>, ArrayView<float>, int, long>(TokenEmbeddingIlgpu.F16)(new KernelConfig(3, 4), f16.View, idView.View, output.View, 6, 7L);
        Assert.Equal(Array.ConvertAll(expected, value => (float)(System.Half)value), output.GetAsArray1D());
    }

    [Theory]
    [InlineData(1, 5, 33, true)]
    [InlineData(9, 11, 18, false)]
    public void Products_of_f32_bf16_and_fp8(int tokens, int outputs, int inner, bool withBias)
    {
        float[] x = Random(tokens * inner, 6), bias = Random(outputs, 7), scales = Random(outputs, 8);
        byte[] codes = [.. Random(outputs * inner, 9).Select((value, i) => (byte)((i * 37) % 120 | (value < 0 ? 0x80 : 0)))];
        ushort[] halves = Array.ConvertAll(Random(outputs * inner, 10), Bf16.FromSingle);
        float[] w = Random(outputs * inner, 11);
        using var xs = Upload(x);
        using var biases = Upload(bias);
        using var factors = Upload(scales);
        using var y = _device.Allocate1D<float>(tokens * outputs);
        ArrayView<float> biasView = withBias ? biases.View : ArrayView<float>.Empty;
        Check<float>(w, w, ArrayView<float>.Empty, MatMulIlgpu.VectorF32, MatMulIlgpu.TiledF32);
        Check<ushort>(halves, Array.ConvertAll(halves, Bf16.ToSingle), ArrayView<float>.Empty, MatMulIlgpu.VectorBf16, MatMulIlgpu.TiledBf16);
        float[] scaled = [.. codes.Select((code, i) => Fp8.ToSingle(code) * scales[i / inner])];
        Check<byte>(codes, scaled, factors.View, MatMulIlgpu.VectorFp8, MatMulIlgpu.TiledFp8);

        void Check<T>(
            T[] stored,
            float[] weights,
            ArrayView<float> scaleView,
            Action<ArrayView<float>, ArrayView<T>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int> vector,
            Action<ArrayView<float>, ArrayView<T>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, int> tiled)
            where T : unmanaged
        {
            using var ws = Upload(stored);
            double[] expected = MatMulOracle.Run(x, weights, withBias ? bias : null, tokens, outputs, inner, false).Y;
            y.MemSetToZero();
            _device.LoadStreamKernel(vector)(new KernelConfig(new Index3D(outputs, tokens, 1), new Index3D(4, 1, 1)), xs.View, ws.View, scaleView, biasView, y.View, outputs, inner);
            Closeness.Check(expected, y.GetAsArray1D(), 2e-6);
            y.MemSetToZero();
            _device.LoadStreamKernel(tiled)(new KernelConfig(new Index3D((outputs + 7) / 8, (tokens + 7) / 8, 1), new Index3D(2, 2, 1)), xs.View, ws.View, scaleView, biasView, y.View, tokens, outputs, inner);
            Closeness.Check(expected, y.GetAsArray1D(), 2e-6);
        }
    }

    [Fact]
    public void An_expert_touches_its_own_rows_only()
    {
        float[] x = Random(6 * 5, 12), w = Random(3 * 5, 13);
        using var xs = Upload(x);
        using var ws = Upload(w);
        using var starts = Upload<int>([0, 2, 5, 6]);
        using var y = _device.Allocate1D<float>(6 * 3);
        y.MemSetToZero();
        _device.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, int, int, int>(MatMulIlgpu.ExpertF32)(
            new KernelConfig(new Index3D(1, 2, 1), new Index3D(2, 2, 1)), xs.View, ws.View, ArrayView<float>.Empty, starts.View, y.View, 1, 3, 5);
        double[] all = MatMulOracle.Run(x, w, null, 6, 3, 5, false).Y;
        Closeness.Check([.. all.Select((value, i) => i / 3 is >= 2 and < 5 ? value : 0)], y.GetAsArray1D(), 2e-6);
    }

    [Fact]
    public void Number_formats_agree_with_the_processor_over_all_codes()
    {
        for (int code = 0; code < 0x10000; code++)
        {
            Assert.Equal(Bf16.ToSingle((ushort)code), DeviceMath.FromBf16((ushort)code));
            Assert.Equal((float)BitConverter.UInt16BitsToHalf((ushort)code), DeviceMath.FromHalf((ushort)code));
            float between = BitConverter.UInt32BitsToSingle(((uint)code << 16) | (uint)(code * 40503 & 0xffff) | 0x8000u);
            Assert.Equal(Bf16.FromSingle(between), DeviceMath.ToBf16(between));
        }
        for (int code = 0; code < 256; code++)
        {
            Assert.Equal(Fp8.ToSingle((byte)code), DeviceMath.FromFp8((byte)code));
        }
        for (float x = -87f; x < 88f; x += 0.37f)
        {
            Assert.Equal(1, DeviceMath.Exp(x) / Math.Exp(x), 4e-7);
        }
    }

    private MemoryBuffer1D<T, Stride1D.Dense> Upload<T>(T[] values) where T : unmanaged => _device.Allocate1D(values);

    private static float[] Random(int count, int seed, float range = 1f)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2f - 1f) * range)];
    }
}
