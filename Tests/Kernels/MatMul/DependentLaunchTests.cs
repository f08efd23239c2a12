using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.Tests.Kernels.Ptx;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.MatMul;

/// <summary>
/// Products of weights in rows on sm_90, where a product's grid begins while its operand is still being made, and the next operand's while
/// the product runs: what is read or written before the wait is found, in a kernel without its wait.
/// </summary>
public class DependentLaunchTests
{
    private const int Outputs = 33, Inner = 640;

    [Theory]
    [InlineData("matvec1_bf16", 1)]
    [InlineData("matvec8_bf16", 3)]
    [InlineData("matmul64_bf16", 3)]
    [InlineData("expert_matvec8_bf16", 3)]
    [InlineData("expert_matmul64_bf16", 3)]
    [InlineData("matvec8_fp8", 3)]
    [InlineData("expert_matmul64_fp8", 3)]
    public void GridsWaitForEachOther(string kernel, int rows)
    {
        for (int seed = 0; seed < 20; seed++)
        {
            Assert.Empty(Run(kernel, rows, seed, damaged: null));
        }
    }

    [Theory]
    [InlineData("matvec1_bf16", "matvec1_bf16", 1)]
    [InlineData("matvec16_bf16", "matvec16_bf16", 9)]
    [InlineData("matmul64_bf16", "matmul64_bf16", 3)]
    [InlineData("matmul128_bf16", "matmul128_bf16", 3)]
    [InlineData("expert_matvec1_bf16", "expert_matvec1_bf16", 1)]
    [InlineData("expert_matvec8_bf16", "expert_matvec8_bf16", 3)]
    [InlineData("expert_matmul64_bf16", "expert_matmul64_bf16", 3)]
    [InlineData("expert_matmul128_bf16", "expert_matmul128_bf16", 3)]
    [InlineData("matvec1_fp8", "matvec1_fp8", 1)]
    [InlineData("matvec16_fp8", "matvec16_fp8", 9)]
    [InlineData("matmul64_fp8", "matmul64_fp8", 3)]
    [InlineData("expert_matvec8_fp8", "expert_matvec8_fp8", 3)]
    [InlineData("expert_matmul128_fp8", "expert_matmul128_fp8", 3)]
    [InlineData("round_operand_fp8", "matvec1_fp8", 1)]
    public void AKernelWithoutItsWaitIsFound(string damaged, string kernel, int rows)
    {
        PtxFinding finding = Assert.Single(Run(kernel, rows, seed: 0, damaged));
        Assert.Equal(PtxFindingKind.MissingWait, finding.Kind);
    }

    /// <summary>Two products one after another, both through the same operand.</summary>
    private static IReadOnlyList<PtxFinding> Run(string kernel, int rows, int seed, string? damaged)
    {
        CudaProduct product = CudaProducts.All.Single(record => record.Kernel == kernel);
        WeightFormat format = product.Format!;
        using ProductCase subject = ProductCase.Of(format, Outputs, Inner, seed: 2);
        float[] x = subject.Rows(rows);
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { Launch = new() { Seed = seed, Workers = 1 } });
        using CudaContext context = CudaContext.RetainPrimary(driver);
        using var queue = new CudaQueue(context, new WaitlessModules(damaged), null, 1 << 20, 1 << 20, 4);
        using var scratch = new CudaScratch(queue);
        using var upload = new MatrixUpload(queue, isPlan: false);
        using var counts = new RowCounts(queue);
        // As in a step: the number of rows comes once.
        counts.BeginStep(rows, rows);
        using var matrix = new CudaMatrix(new CudaMatrixStack(queue, 1, new StackedSources(Outputs, Inner, format), product.Layout), 0);
        upload.Write([subject.Source], matrix);
        using ArenaMemory from = queue.Allocate(x.Length * sizeof(float)), to = queue.Allocate(rows * Outputs * sizeof(float)), order = queue.Allocate((rows + 2) * sizeof(int));
        queue.Upload<float>(x, from.Address);
        queue.Upload<int>([.. new int[rows], 0, rows], order.Address);
        queue.Synchronize();
        try
        {
            for (int i = 0; i < 2; i++)
            {
                product.Launch(queue, scratch, new ProductOperands(
                    from.View(rows, Inner), matrix.Codes, matrix.ScaleView, null, to.View(rows, Outputs), counts, new(order.Address, rows), new(order.Address + rows * sizeof(int), 2)));
            }
            float[] results = new float[rows * Outputs];
            queue.Download(to.Address, MemoryMarshal.AsBytes(results.AsSpan()));
            (double[] expected, double[] magnitude) = MatMulOracle.Run(x, subject.Weights, null, rows, Outputs, Inner, roundX: true);
            Assert.All(Enumerable.Range(0, results.Length), i => Assert.InRange(results[i], expected[i] - 1e-5 * magnitude[i], expected[i] + 1e-5 * magnitude[i]));
        }
        catch (CudaException) when (damaged is not null)
        {
            // The driver's findings say what it was.
        }
        return driver.Findings;
    }
}
