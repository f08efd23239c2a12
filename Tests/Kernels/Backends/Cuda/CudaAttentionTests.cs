using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>Attention of the CUDA backend against the CPU's: many splits of long caches, scattered pages, mixed batches.</summary>
public sealed unsafe class CudaAttentionTests
{
    private static readonly AttentionShape Shape = new(4, 2, 16);
    private static readonly KvLayout Layout = new(64, 2, 16, KvFormat.F32);

    [Theory]
    [InlineData(1, 20_000)]
    [InlineData(1, 0)]
    [InlineData(1, 255)]
    [InlineData(1, 256)]
    [InlineData(11, 130)]
    public void RowsSeeTheKeysThatTheySeeOnTheCpu(int rows, int position)
    {
        using var emulated = new EmulatedBackend(new CudaBackendOptions { ArenaBytes = 1 << 20, StagingBytes = 1 << 20 });
        using var cpu = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        float[] expected = Run(cpu, rows, position), actual = Run(emulated.Backend, rows, position);
        float range = expected.Max() - expected.Min();
        Assert.All(expected.Zip(actual), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, 3e-6f * range));
        Assert.Empty(emulated.Driver.Findings);
    }

    private static float[] Run(IBackend backend, int rows, int position)
    {
        var random = new Random(position + rows);
        float[] Values(long count) => [.. Enumerable.Range(0, (int)count).Select(_ => (float)(random.NextDouble() * 2 - 1))];
        // A second sequence of one row, so that the batch is mixed unless all have one row.
        int batch = rows + 1, pages = (position + rows + Layout.PageTokens - 1) / Layout.PageTokens;
        using DeviceMemory cache = backend.Allocate((pages + 1) * Layout.PageBytes);
        using DeviceMemory memory = backend.Allocate((long)batch * (Shape.QkvColumns + Shape.QueryColumns) * sizeof(float));
        nint[] table = new nint[pages + 1];
        for (int i = 0; i <= pages; i++)
        {
            // In reverse: neighbours in a table need not be neighbours in memory.
            table[i] = cache.Address + (nint)((pages - i) * Layout.PageBytes);
            int floats = (int)(Layout.PageBytes / sizeof(float));
            backend.Upload(Values(floats), new Tensor(table[i], 1, floats, ElementType.F32, cache.Place));
        }
        Tensor qkv = memory.View(batch, Shape.QkvColumns), output = memory.View(batch, Shape.QueryColumns, qkv.Elements * sizeof(float));
        backend.Upload(Values(qkv.Elements), qkv);
        float[] result = new float[output.Elements];
        fixed (nint* tables = table)
        {
            KvSegment[] segments = [new(0, rows, position, (nint)tables), new(rows, 1, 5, (nint)(tables + pages))];
            backend.RotateNormAndAppend(qkv, Shape, null, 1e-5f, null, Layout, segments);
            backend.Attention(qkv, Shape, Layout, segments, output);
            backend.Download(output, result);
        }
        return result;
    }
}
