using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.Tests.Kernels.Ptx;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>
/// The int4 products on sm_90, where a product's grid begins while the rounding of its x still runs, and the next rounding while
/// the product runs: what is read or written before the wait is found, in a kernel without its wait.
/// </summary>
public class Int4DependentLaunchTests
{
    [Theory]
    [InlineData("matvec1_int4", 1)]
    [InlineData("matvec8_int4", 3)]
    [InlineData("matmul64_int4", 3)]
    [InlineData("expert_matvec1_int4", 1)]
    [InlineData("expert_matvec8_int4", 3)]
    [InlineData("expert_matmul64_int4", 3)]
    public void GridsWaitForEachOther(string kernel, int rows)
    {
        for (int seed = 0; seed < 20; seed++)
        {
            Assert.Empty(Run(kernel, rows, seed, damaged: null));
        }
    }

    [Theory]
    [InlineData("matvec1_int4", "matvec1_int4", 1)]
    [InlineData("matvec8_int4", "matvec8_int4", 3)]
    [InlineData("matmul64_int4", "matmul64_int4", 3)]
    [InlineData("matmul128_int4", "matmul128_int4", 3)]
    [InlineData("expert_matvec1_int4", "expert_matvec1_int4", 1)]
    [InlineData("expert_matvec8_int4", "expert_matvec8_int4", 3)]
    [InlineData("expert_matmul64_int4", "expert_matmul64_int4", 3)]
    [InlineData("expert_matmul128_int4", "expert_matmul128_int4", 3)]
    [InlineData("round_operand_int4", "matvec1_int4", 1)]
    public void AKernelWithoutItsWaitIsFound(string damaged, string kernel, int rows)
    {
        PtxFinding finding = Assert.Single(Run(kernel, rows, seed: 0, damaged));
        Assert.Equal(PtxFindingKind.MissingWait, finding.Kind);
    }

    /// <summary>Two products one after another, both through the same operand.</summary>
    private static IReadOnlyList<PtxFinding> Run(string kernel, int rows, int seed, string? damaged)
    {
        CudaProduct product = CudaProducts.All.Single(record => record.Kernel == kernel);
        bool experts = product.IsGrouped;
        var subject = new Int4Case(rows, 33, 640, seed: 2, experts ? [0, rows] : null);
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { Launch = new() { Seed = seed, Workers = 1 } });
        using CudaContext context = CudaContext.RetainPrimary(driver);
        using var queue = new CudaQueue(context, new WaitlessModules(damaged), null, 1 << 20, 1 << 20, 4);
        using var operand = new CudaScratch(queue);
        using var counts = new RowCounts(queue);
        // As in a step: the number of rows comes once.
        counts.BeginStep(rows, rows);
        using ArenaMemory weights = Upload(queue, subject.Weights), scales = Upload(queue, subject.Scales);
        using ArenaMemory x = Upload<float>(queue, [.. subject.X.SelectMany(row => row)]), y = queue.Allocate(rows * 33 * sizeof(float));
        using ArenaMemory order = Upload<int>(queue, [.. new int[rows], 0, rows]);
        try
        {
            for (int i = 0; i < 2; i++)
            {
                var codes = new DeviceView(weights.Address, subject.Weights.Length);
                var factors = new DeviceView(scales.Address, subject.Scales.Length);
                product.Launch(queue, operand, new ProductOperands(
                    x.View(rows, 640), codes, factors, null, y.View(rows, 33), counts, new(order.Address, rows), new(order.Address + rows * sizeof(int), 2)));
            }
            float[] results = new float[rows * 33];
            queue.Download(y.Address, System.Runtime.InteropServices.MemoryMarshal.AsBytes(results.AsSpan()));
            for (int i = 0; i < results.Length; i++)
            {
                (double expected, double magnitude) = subject.Expected(i / 33, i % 33);
                Assert.InRange(results[i], expected - 1e-5 * magnitude, expected + 1e-5 * magnitude);
            }
        }
        catch (CudaException) when (damaged is not null)
        {
            // The driver's findings say what it was.
        }
        return driver.Findings;
    }

    private static ArenaMemory Upload<T>(CudaQueue queue, T[] values)
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan());
        ArenaMemory memory = queue.Allocate(bytes.Length);
        queue.Upload(bytes, memory.Address);
        queue.Synchronize();
        return memory;
    }
}
