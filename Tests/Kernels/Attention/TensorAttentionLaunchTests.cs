using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;
using Llama4Kernels.Tests.Kernels.Ptx;

namespace Llama4Kernels.Tests.Kernels.Attention;

/// <summary>Attention on tensor cores on sm_90, where its grid begins while the cache is still being written: what is read before the wait is found, in a kernel without it.</summary>
public class TensorAttentionLaunchTests
{
    private static readonly AttentionShape s_shape = new(5, 1, 128);

    [Theory]
    [InlineData(64, 1)]
    [InlineData(32, 1)]
    [InlineData(64, 2)]
    [InlineData(32, 2)]
    public void TheGridWaitsForTheCache(int pageTokens, int rows)
    {
        for (int seed = 0; seed < 5; seed++)
        {
            Assert.Empty(Run(pageTokens, rows, seed, null));
        }
    }

    [Theory]
    [InlineData(1, "attention_split_page64_bf16")]
    [InlineData(2, "attention_prefill_page64_bf16")]
    public void WithoutItsWaitItIsFound(int rows, string kernel)
    {
        PtxFinding finding = Assert.Single(Run(64, rows, 0, kernel));
        Assert.Equal(PtxFindingKind.MissingWait, finding.Kind);
    }

    /// <summary>Rows of three sequences, as many of each: appended, then attended to, twice.</summary>
    private static IReadOnlyList<PtxFinding> Run(int pageTokens, int rows, int seed, string? damaged)
    {
        int count = 3 * rows;
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { Launch = new() { Seed = seed, Workers = 1 } });
        using CudaContext context = CudaContext.RetainPrimary(driver);
        using var queue = new CudaQueue(context, new CombinedKernelModules(new WaitlessModules(damaged), EmulatedBackend.Modules), null, 1 << 20, 1 << 20, 4);
        using var scratch = new AttentionScratch(queue);
        KvLayout layout = CudaKvStep.LayoutOf(pageTokens, 1, s_shape, KvFormat.BF16);
        using ArenaMemory cache = queue.Allocate(3 * layout.BlockBytes), memory = queue.Allocate((long)count * (s_shape.QkvColumns + s_shape.QueryColumns) * sizeof(float));
        Tensor qkv = memory.View(count, s_shape.QkvColumns), output = memory.View(count, s_shape.QueryColumns, qkv.Elements * sizeof(float));
        using var step = new CudaKvStep(queue, layout, cache, 0, 3);
        var random = new Random(seed);
        queue.Upload<float>([.. Enumerable.Range(0, (int)qkv.Elements).Select(_ => (float)(random.NextDouble() - 0.5))], qkv.Address);
        float[] results = new float[output.Elements];
        try
        {
            for (int position = 3; position < 3 + (2 * rows); position += rows)
            {
                step.Set(count, [new(0, rows, position, 2), new(rows, rows, position - 3, 0), new(2 * rows, rows, position + 9, 1)], [0, 1, 2]);
                RotateNormAppendCuda.Run(queue, qkv, s_shape, null, null, null, step, 0);
                PagedAttentionCuda.Run(queue, scratch, qkv, s_shape, ActivationPrecision.BFloat16, step, 0, output);
            }
            queue.Download(output.Address, MemoryMarshal.AsBytes(results.AsSpan()));
            Assert.All(results, value => Assert.True(float.IsFinite(value)));
        }
        catch (CudaException) when (damaged is not null)
        {
            // The driver's findings say what it was.
        }
        return driver.Findings;
    }
}
