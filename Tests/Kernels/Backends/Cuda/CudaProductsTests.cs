using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>The ordered list of products on a device: which is chosen, and that each record computes what it says.</summary>
public sealed unsafe class CudaProductsTests
{
    private const int Outputs = 70, Inner = 256;

    private static readonly DeviceLimits s_h100 = DeviceLimits.Get("h100");

    public static TheoryData<string> Records { get; } = [.. CudaProducts.All.Where(record => !record.IsGrouped).Select(record => record.Kernel)];

    [Theory]
    [InlineData(1, ActivationPrecision.BFloat16, "tiles", "matvec1_int4")]
    [InlineData(8, ActivationPrecision.BFloat16, "tiles", "matvec8_int4")]
    [InlineData(512, ActivationPrecision.BFloat16, "tiles", "matvec16_int4")]
    [InlineData(1, ActivationPrecision.Float32, "rows", "matvec_int4")]
    [InlineData(9, ActivationPrecision.Float32, "rows", "matmul_int4")]
    public void TheFirstThatAppliesIsTakenAndTheLayoutIsItsOwn(int rows, ActivationPrecision activations, string layout, string kernel)
    {
        ProductChoice choice = KernelChoices.Choose(new GemmDesc(rows, 5120, 8192, WeightFormat.Int4, activations), s_h100);
        Assert.Equal((layout, kernel), (choice.Layout, choice.Kernel));
        ProductChoice experts = KernelChoices.Choose(new GemmDesc(rows, 5120, 8192, WeightFormat.Int4, activations, Experts: 16), s_h100);
        Assert.Equal(layout, experts.Layout);
        Assert.StartsWith("expert_", experts.Kernel);
    }

    [Fact]
    public void WhatIsPassedByHasAReason()
    {
        var gemm = new GemmDesc(1, 5120, 8192, WeightFormat.Int4, ActivationPrecision.BFloat16);
        var small = new DeviceLimits("small", 90, 48 * 1024, 10);
        ProductChoice choice = KernelChoices.Choose(gemm, small);
        Assert.Equal("matvec_int4", choice.Kernel);
        Assert.Contains(choice.Passed, reason => reason.StartsWith("matvec1_int4 needs ", StringComparison.Ordinal) && reason.Contains("of shared memory", StringComparison.Ordinal));
        Assert.Contains("rounds activations", string.Join("; ", KernelChoices.Choose(gemm with { Activations = ActivationPrecision.Float32 }, s_h100).Passed));
        Assert.Throws<NotSupportedException>(() => KernelChoices.Choose(gemm with { Weights = WeightFormat.F16 }, s_h100));
    }

    [Fact]
    public void ARecordIsForcedByItsName()
    {
        var gemm = new GemmDesc(1, 5120, 8192, WeightFormat.Int4, ActivationPrecision.BFloat16);
        Assert.Equal(("matmul_int4", "rows"), Named(KernelChoices.Choose(gemm, s_h100, "matmul_int4")));
        Assert.Equal(("matvec_bf16", "rows"), Named(KernelChoices.Choose(gemm with { Weights = WeightFormat.BF16 }, s_h100, "matmul_int4")));
        Assert.Contains("matvec1_int4", Assert.Throws<ArgumentException>(() => KernelChoices.Choose(gemm, s_h100, "nothing")).Message);

        static (string, string) Named(ProductChoice choice) => (choice.Kernel, choice.Layout);
    }

    [Fact]
    public void EveryKnownDeviceHasARecordForEveryShape()
    {
        foreach (DeviceLimits device in DeviceLimits.Known)
        {
            Assert.Equal(device.Sm switch { 80 => 163, 90 => 227, _ => 99 }, device.SharedBytes / 1024);
            foreach (WeightFormat format in WeightFormat.All.Where(format => format != WeightFormat.F16))
            {
                foreach (int rows in new[] { 1, 2, 8, 9, 16, 17, 64, 4096 })
                {
                    foreach (int experts in new[] { 0, 16, 128 })
                    {
                        Assert.NotNull(KernelChoices.Choose(new GemmDesc(rows, 16384, 5120, format, ActivationPrecision.BFloat16, experts), device).Kernel);
                    }
                }
            }
        }
    }

    /// <summary>Each record, forced, at each number of rows: the same product by the oracle, and twice the same bits.</summary>
    [Theory]
    [MemberData(nameof(Records))]
    public void EveryRecordComputesTheProduct(string kernel)
    {
        CudaProduct record = CudaProducts.All.Single(record => record.Kernel == kernel);
        using var emulated = new EmulatedBackend(new CudaBackendOptions
        {
            ArenaBytes = 1 << 20,
            StagingBytes = 1 << 20,
            Product = kernel,
            Precision = record.Operands,
        });
        CudaBackend backend = emulated.Backend;
        var random = new Random(3);
        float[] w = [.. Enumerable.Range(0, Outputs * Inner).Select(_ => random.NextSingle() - 0.5f)];
        fixed (float* data = w)
        {
            MatrixSource source = MatrixSource.RowMajor((nint)data, ElementType.F32, Outputs, Inner);
            using IMatrix packed = backend.Pack([source], record.Format);
            Assert.Equal(record.Layout.Name, packed.Layout);
            using var cpu = new CpuBackend(new CpuBackendOptions { Threads = 1 });
            using IMatrix theirs = cpu.Pack([source], record.Format);
            foreach (int rows in new[] { 1, 5, 17 })
            {
                float[] x = [.. Enumerable.Range(0, rows * Inner).Select(_ => random.NextSingle() - 0.5f)];
                float[] input = record.Operands == ActivationPrecision.BFloat16 ? [.. x.Select(Bf16.Round)] : x;
                float[] expected = Run(cpu, theirs, input, rows), first = Run(backend, packed, x, rows), second = Run(backend, packed, x, rows);
                float range = expected.Max() - expected.Min();
                Assert.All(expected.Zip(first), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, 1e-5f * range));
                Assert.Equal(first, second);
            }
        }
    }

    private static float[] Run(IBackend backend, IMatrix weights, float[] x, int rows)
    {
        using DeviceMemory input = backend.Allocate(x.Length * sizeof(float)), output = backend.Allocate((long)rows * Outputs * sizeof(float));
        backend.Upload(x, input.View(rows, Inner));
        backend.Linear(input.View(rows, Inner), weights, null, output.View(rows, Outputs));
        float[] y = new float[rows * Outputs];
        backend.Download(output.View(rows, Outputs), y);
        return y;
    }
}
