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

/// <summary>Split attention on sm_90, where its grid begins while the cache is still being written: what is read before the wait is found, in a kernel without it.</summary>
public class SplitAttentionLaunchTests
{
    private static readonly AttentionShape s_shape = new(5, 1, 128);

    [Theory]
    [InlineData(64)]
    [InlineData(32)]
    public void TheGridWaitsForTheCache(int pageTokens)
    {
        for (int seed = 0; seed < 5; seed++)
        {
            Assert.Empty(Run(pageTokens, seed, isDamaged: false));
        }
    }

    [Fact]
    public void WithoutItsWaitItIsFound()
    {
        PtxFinding finding = Assert.Single(Run(64, 0, isDamaged: true));
        Assert.Equal(PtxFindingKind.MissingWait, finding.Kind);
    }

    /// <summary>Three rows of sequences of their own: appended, then attended to, twice.</summary>
    private static IReadOnlyList<PtxFinding> Run(int pageTokens, int seed, bool isDamaged)
    {
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { Launch = new() { Seed = seed, Workers = 1 } });
        using CudaContext context = CudaContext.RetainPrimary(driver);
        using var queue = new CudaQueue(context, new CombinedKernelModules(new WaitlessModules(isDamaged ? SplitAttentionPtx.Name(pageTokens) : null), EmulatedBackend.Modules), null, 1 << 20, 1 << 20, 4);
        using var scratch = new AttentionScratch(queue);
        KvLayout layout = CudaKvStep.LayoutOf(pageTokens, 1, s_shape, KvFormat.BF16);
        using ArenaMemory cache = queue.Allocate(3 * layout.BlockBytes), memory = queue.Allocate(3L * (s_shape.QkvColumns + s_shape.QueryColumns) * sizeof(float));
        Tensor qkv = memory.View(3, s_shape.QkvColumns), output = memory.View(3, s_shape.QueryColumns, qkv.Elements * sizeof(float));
        using var step = new CudaKvStep(queue, layout, cache, 0, 3);
        var random = new Random(seed);
        queue.Upload<float>([.. Enumerable.Range(0, (int)qkv.Elements).Select(_ => (float)(random.NextDouble() - 0.5))], qkv.Address);
        float[] results = new float[output.Elements];
        try
        {
            for (int position = 3; position < 5; position++)
            {
                step.Set(3, [new(0, 1, position, 2), new(1, 1, position - 3, 0), new(2, 1, position + 9, 1)], [0, 1, 2]);
                RotateNormAppendCuda.Run(queue, qkv, s_shape, null, null, null, step, 0);
                PagedAttentionCuda.Run(queue, scratch, qkv, s_shape, ActivationPrecision.BFloat16, step, 0, output);
            }
            queue.Download(output.Address, MemoryMarshal.AsBytes(results.AsSpan()));
            Assert.All(results, value => Assert.True(float.IsFinite(value)));
        }
        catch (CudaException) when (isDamaged)
        {
            // The driver's findings say what it was.
        }
        return driver.Findings;
    }
}
