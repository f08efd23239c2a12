using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.Tests.Kernels.MatMul;
using Llama4Kernels.Tests.Oracles;
using DeviceLimits = Llama4Kernels.Kernels.Contracts.Cuda.DeviceLimits;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>The ordered list of products on a device: which is chosen, and that each record computes what it says.</summary>
public sealed class CudaProductsTests
{
    private static readonly DeviceLimits s_h100 = DeviceLimits.Get("h100");

    /// <summary>Records of a format of their own; those that read many are tested with each of these (<see cref="CudaKeptFormatTests"/>).</summary>
    public static TheoryData<string> Records { get; } = [.. CudaProducts.All.Where(record => record.Format is not null).Select(record => record.Kernel)];

    [Theory]
    [InlineData(1, ActivationPrecision.BFloat16, "tiles", "matvec1_int4")]
    [InlineData(8, ActivationPrecision.BFloat16, "tiles", "matvec8_int4")]
    [InlineData(16, ActivationPrecision.BFloat16, "tiles", "matvec16_int4")]
    [InlineData(17, ActivationPrecision.BFloat16, "tiles", "matmul64_int4")]
    [InlineData(128, ActivationPrecision.BFloat16, "tiles", "matmul64_int4")]
    [InlineData(129, ActivationPrecision.BFloat16, "tiles", "matmul128_int4")]
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

    /// <summary>Slots are shared out among experts: what counts is how many an expert has in the mean.</summary>
    [Theory]
    [InlineData(8, 16, "expert_matvec8_int4")]
    [InlineData(9, 16, "expert_matvec16_int4")]
    [InlineData(256, 16, "expert_matvec16_int4")]
    [InlineData(257, 16, "expert_matmul64_int4")]
    [InlineData(257, 128, "expert_matvec16_int4")]
    [InlineData(2048, 16, "expert_matmul64_int4")]
    [InlineData(2049, 16, "expert_matmul128_int4")]
    public void ExpertsTakeTheRecordForAnExpertsRows(int rows, int experts, string kernel)
    {
        var gemm = new GemmDesc(rows, 5120, 8192, WeightFormat.Int4, ActivationPrecision.BFloat16, experts);
        Assert.Equal(kernel, KernelChoices.Choose(gemm, s_h100).Kernel);
        Assert.Contains("expert_matvec16_int4 is for up to 16 rows an expert", KernelChoices.Choose(gemm with { Rows = 4096, Experts = 16 }, s_h100).Passed);
    }

    /// <summary>A router has so few outputs that tiles of 64 x 64 results would be one group: its rows and columns are shared out, and a row's sums are those that it has alone.</summary>
    [Theory]
    [InlineData(16, 300)]
    [InlineData(128, 512)]
    public void RowsOfFewOutputsAreSharedOutAndGiveWhatTheyGiveAlone(int outputs, int inner)
    {
        const int Rows = 70;
        foreach (WeightFormat format in (WeightFormat[])[WeightFormat.BF16, WeightFormat.F32])
        {
            var router = new GemmDesc(Rows, outputs, inner, format, ActivationPrecision.BFloat16);
            ProductChoice choice = KernelChoices.Choose(router, s_h100);
            Assert.Equal(($"matvec_{format.Name}", new CudaDim3(outputs, (Rows + 3) / 4)), (choice.Kernel, choice.Grid));
            // Tensor cores take whole groups of columns.
            string tiled = format == WeightFormat.BF16 && inner % 128 == 0 ? "matmul128_bf16" : $"matmul_{format.Name}";
            Assert.Equal(tiled, KernelChoices.Choose(router with { Outputs = 129 }, s_h100).Kernel);
            Assert.Contains(KernelChoices.Choose(router with { Outputs = 129 }, s_h100).Passed, reason => reason == $"matvec_{format.Name} is for up to 8 rows or 128 outputs");

            using var emulated = new EmulatedBackend();
            using ProductCase subject = ProductCase.Of(format, outputs, inner, seed: outputs);
            using IMatrix weight = emulated.Backend.Pack([subject.Source]);
            using DeviceMemory memory = emulated.Backend.Allocate((long)Rows * (inner + outputs) * sizeof(float));
            float[] x = subject.Rows(Rows), all = Run(Rows, 0);
            foreach (int row in (int[])[0, 3, 8, 66, 69])
            {
                Assert.Equal(all[(row * outputs)..((row + 1) * outputs)], Run(1, row));
            }
            Assert.Empty(emulated.Driver.Findings);

            float[] Run(int rows, int first)
            {
                Tensor input = memory.View(rows, inner), output = memory.View(rows, outputs, (long)Rows * inner * sizeof(float));
                emulated.Backend.Upload(x.AsSpan(first * inner, rows * inner), input);
                emulated.Backend.Linear(input, weight, null, output);
                float[] results = new float[output.Elements];
                emulated.Backend.Download(output, results);
                return results;
            }
        }
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
        Assert.Equal(("matvec1_bf16", "rows"), Named(KernelChoices.Choose(gemm with { Weights = WeightFormat.BF16 }, s_h100, "matmul_int4")));
        Assert.Contains("matvec1_int4", Assert.Throws<ArgumentException>(() => KernelChoices.Choose(gemm, s_h100, "nothing")).Message);

        static (string, string) Named(ProductChoice choice) => (choice.Kernel, choice.Layout);
    }

    [Fact]
    public void EveryKnownDeviceHasARecordForEveryShape()
    {
        foreach (DeviceLimits device in DeviceLimits.Known)
        {
            Assert.Equal(device.Sm switch { 80 => 163, 90 => 227, _ => 99 }, device.SharedBytes / 1024);
            foreach (WeightFormat format in WeightFormat.All.Where(format => format != WeightFormat.F16).Concat(KeptFormats.All))
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

    [Theory]
    [InlineData(1, 0, "matvec_affine")]
    [InlineData(9, 0, "matmul_affine")]
    [InlineData(16, 16, "expert_matvec_affine")]
    [InlineData(17, 16, "expert_matmul_affine")]
    public void OneFamilyReadsAllFormatsThatAreKeptAsStored(int rows, int experts, string kernel) => Assert.All(KeptFormats.All, format =>
    {
        ProductChoice choice = KernelChoices.Choose(new GemmDesc(rows, 5120, 8192, format, ActivationPrecision.BFloat16, experts), s_h100);
        Assert.Equal((kernel, "panels"), (choice.Kernel, choice.Layout));
    });

    /// <summary>Each record at each shape and number of rows, of experts with one that has no rows: the oracle's product, and twice the same bits.</summary>
    [Theory]
    [MemberData(nameof(Records))]
    public void EveryRecordComputesTheProduct(string kernel)
    {
        CudaProduct record = CudaProducts.All.Single(record => record.Kernel == kernel);
        WeightFormat format = record.Format!;
        using var driver = new EmulatedCudaDriver();
        using CudaContext context = CudaContext.RetainPrimary(driver);
        using var queue = new CudaQueue(context, new CombinedKernelModules(PtxKernelModules.All, EmulatedBackend.Modules), null, 1 << 20, 1 << 20, 4);
        using var scratch = new CudaScratch(queue);
        using var upload = new MatrixUpload(queue, isPlan: false);
        using var counts = new RowCounts(queue);
        foreach ((int outputs, int inner) in ((int, int)[])[(70, 256), (33, 384)])
        {
            ProductCase[] subjects = [.. Enumerable.Range(0, record.IsGrouped ? 3 : 1).Select(expert => ProductCase.Of(format, outputs, inner, seed: outputs + expert))];
            var stack = new CudaMatrixStack(queue, subjects.Length, new StackedSources(outputs, inner, format), record.Layout);
            CudaMatrix[] packed = [.. subjects.Select((subject, index) => new CudaMatrix(stack, index))];
            using var owned = new Owned([.. packed, .. subjects]);
            for (int i = 0; i < subjects.Length; i++)
            {
                upload.Write([subjects[i].Source], packed[i]);
            }
            foreach (int rows in (int[])[1, 5, 17])
            {
                // The second expert has no rows, the others share them.
                int first = (rows + 1) / 2;
                int[] groups = record.IsGrouped ? [.. Enumerable.Range(0, rows).Select(row => row < first ? 0 : 2), 0, first, first, rows] : [];
                // Every layout of weights takes a bias: which matrices of a file have one is not known when they are packed.
                float[] bias = [.. Enumerable.Range(0, outputs).Select(i => record.IsGrouped ? 0 : i - 30f)];
                float[] x = subjects[0].Rows(rows), y = Run(), again = Run();
                Assert.Equal(y, again);
                float[] input = format.QuantisesActivations ? QuantizationOracle.Rounded(x, inner) : x;
                for (int row = 0; row < rows; row++)
                {
                    float[] weights = subjects[record.IsGrouped ? groups[row] : 0].Weights;
                    (double[] expected, double[] magnitude) = MatMulOracle.Run(
                        input[(row * inner)..((row + 1) * inner)], weights, null, 1, outputs, inner, record.Operands == ActivationPrecision.BFloat16);
                    Assert.All(Enumerable.Range(0, outputs), i => Assert.True(
                        Math.Abs(y[row * outputs + i] - bias[i] - expected[i]) <= 1e-5 * (magnitude[i] + Math.Abs(bias[i])), $"[{outputs}, {inner}], row {row} of {rows}, output {i}: {y[row * outputs + i]}, expected {expected[i]}"));
                }

                float[] Run()
                {
                    using ArenaMemory from = queue.Allocate(x.Length * sizeof(float)), to = queue.Allocate((long)rows * outputs * sizeof(float)), order = queue.Allocate(Math.Max(1, groups.Length) * sizeof(int));
                    using ArenaMemory added = queue.Allocate(outputs * sizeof(float));
                    queue.Upload<float>(bias, added.Address);
                    queue.Upload<float>(x, from.Address);
                    queue.Upload<int>(groups, order.Address);
                    record.Launch(queue, scratch, new ProductOperands(
                        from.View(rows, inner), stack.Codes, stack.ScaleView, record.IsGrouped ? null : added.View(1, outputs), to.View(rows, outputs), record.IsGrouped ? null : counts,
                        record.IsGrouped ? new(order.Address, rows) : default, record.IsGrouped ? new(order.Address + rows * sizeof(int), 4) : default));
                    float[] results = new float[rows * outputs];
                    queue.Download(to.Address, MemoryMarshal.AsBytes(results.AsSpan()));
                    return results;
                }
            }
        }
        Assert.Empty(driver.Findings);
    }

    private sealed class Owned(IDisposable[] items) : IDisposable
    {
        public void Dispose() => Array.ForEach(items, item => item.Dispose());
    }
}
