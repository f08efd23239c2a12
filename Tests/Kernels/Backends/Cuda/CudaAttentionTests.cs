using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>Attention of the CUDA backend against the CPU's: many splits of long caches, scattered blocks, mixed batches.</summary>
public sealed class CudaAttentionTests
{
    private static readonly AttentionShape s_shape = new(4, 2, 16);
    private const int Layer = 1;

    private static readonly KvLayout s_layout = new(64, 2, 2, 16, KvFormat.F32);

    [Theory]
    [InlineData(1, 20_000)]
    [InlineData(1, 0)]
    [InlineData(1, 255)]
    [InlineData(1, 256)]
    [InlineData(11, 130)]
    public void RowsSeeTheKeysThatTheySeeOnTheCpu(int rows, int position)
    {
        using var emulated = new EmulatedBackend(new CudaBackendOptions { ArenaBytes = 1 << 20, StagingBytes = 1 << 18 });
        using var cpu = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        float[] expected = Run(cpu, rows, position), actual = Run(emulated.Backend, rows, position);
        float range = expected.Max() - expected.Min();
        Assert.All(expected.Zip(actual), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, 3e-6f * range));
        Assert.Empty(emulated.Driver.Findings);
    }

    /// <summary>Exact mode: what a row gives is its own matter, bit for bit. Its keys are so many that splits hold more than the fewest, and the others' number changes how many groups share them.</summary>
    [Theory]
    [InlineData(20_000)]
    [InlineData(300)]
    public void ARowGivesTheSameBitsAloneAndAmongOthers(int position)
    {
        using var emulated = new EmulatedBackend(new CudaBackendOptions { ArenaBytes = 1 << 20, StagingBytes = 1 << 18 });
        using CudaContext context = CudaContext.RetainPrimary(emulated.Driver);
        var limits = DeviceLimits.Read(context);
        Assert.NotEqual(PagedAttentionCuda.SplitGroups(1, s_shape, limits), PagedAttentionCuda.SplitGroups(33, s_shape, limits));
        float[] alone = Decode(emulated.Backend, position, others: 0);
        Assert.Equal(alone, Decode(emulated.Backend, position, others: 1));
        Assert.Equal(alone, Decode(emulated.Backend, position, others: 32));
        Assert.Empty(emulated.Driver.Findings);
    }

    /// <summary>Exact mode: a row of a piece of a prompt gives what it gives decoded by itself. The pieces begin and end around the borders of splits and of their lengths.</summary>
    [Theory]
    [InlineData(300, 1)]
    [InlineData(300, 9)]
    [InlineData(511, 8)]
    [InlineData(512, 8)]
    [InlineData(515, 13)]
    [InlineData(16_384, 3)]
    [InlineData(16_387, 7)]
    public void ARowGivesTheSameBitsInAPieceOfItsPrompt(int position, int before)
    {
        using var emulated = new EmulatedBackend(new CudaBackendOptions { ArenaBytes = 1 << 20, StagingBytes = 1 << 18 });
        Assert.Equal(Piece(emulated.Backend, position, 0), Piece(emulated.Backend, position, before));
        Assert.Empty(emulated.Driver.Findings);
    }

    /// <summary>The last row's attention in a piece of so many rows before it.</summary>
    private static float[] Piece(IBackend backend, int position, int before)
    {
        var random = new Random(position);
        float[] Values(long count) => [.. Enumerable.Range(0, (int)count).Select(_ => (float)(random.NextDouble() * 2 - 1))];
        int rows = 1 + before, blocks = s_layout.Blocks(position + 1), floats = (int)(s_layout.BlockBytes / sizeof(float));
        using DeviceMemory cache = backend.Allocate(blocks * s_layout.BlockBytes);
        using DeviceMemory memory = backend.Allocate((long)rows * (s_shape.QkvColumns + s_shape.QueryColumns) * sizeof(float));
        using KvStep step = backend.CreateKvStep(s_layout, cache, 0, blocks);
        for (int i = 0; i < blocks; i++)
        {
            backend.Upload(Values(floats), cache.View(1, floats, i * s_layout.BlockBytes));
        }
        Tensor qkv = memory.View(rows, s_shape.QkvColumns), output = memory.View(rows, s_shape.QueryColumns, qkv.Elements * sizeof(float));
        float[] last = Values(s_shape.QkvColumns);
        backend.Upload([.. Values((long)before * s_shape.QkvColumns), .. last], qkv);
        step.Set(rows, [new(0, rows, position - before, 0)], [.. Enumerable.Range(0, blocks)]);
        backend.Attention(qkv, s_shape, step, Layer, output);
        float[] result = new float[output.Elements];
        backend.Download(output, result);
        return result[^s_shape.QueryColumns..];
    }

    /// <summary>The first row's attention in a step that decodes some more, which are short and share their block.</summary>
    private static float[] Decode(IBackend backend, int position, int others)
    {
        var random = new Random(position);
        float[] Values(long count) => [.. Enumerable.Range(0, (int)count).Select(_ => (float)(random.NextDouble() * 2 - 1))];
        int rows = 1 + others, blocks = s_layout.Blocks(position + 1), floats = (int)(s_layout.BlockBytes / sizeof(float));
        using DeviceMemory cache = backend.Allocate((blocks + 1) * s_layout.BlockBytes);
        using DeviceMemory memory = backend.Allocate((long)rows * (s_shape.QkvColumns + s_shape.QueryColumns) * sizeof(float));
        using KvStep step = backend.CreateKvStep(s_layout, cache, 0, blocks + 1);
        for (int i = 0; i <= blocks; i++)
        {
            backend.Upload(Values(floats), cache.View(1, floats, i * s_layout.BlockBytes));
        }
        Tensor qkv = memory.View(rows, s_shape.QkvColumns), output = memory.View(rows, s_shape.QueryColumns, qkv.Elements * sizeof(float));
        backend.Upload(Values(qkv.Elements), qkv);
        step.Set(rows, [new(0, 1, position, 0), .. Enumerable.Range(1, others).Select(row => new KvSegment(row, 1, row, blocks))], [.. Enumerable.Range(0, blocks + 1)]);
        backend.Attention(qkv, s_shape, step, Layer, output);
        float[] result = new float[output.Elements];
        backend.Download(output, result);
        return result[..s_shape.QueryColumns];
    }

    private static float[] Run(IBackend backend, int rows, int position)
    {
        var random = new Random(position + rows);
        float[] Values(long count) => [.. Enumerable.Range(0, (int)count).Select(_ => (float)(random.NextDouble() * 2 - 1))];
        // A sequence of one row before it and one behind, so that the step is mixed unless all have one row.
        int batch = rows + 2, blocks = s_layout.Blocks(position + rows);
        using DeviceMemory cache = backend.Allocate((blocks + 2) * s_layout.BlockBytes);
        using DeviceMemory memory = backend.Allocate((long)batch * (s_shape.QkvColumns + s_shape.QueryColumns) * sizeof(float));
        using DeviceMemory elsewhere = backend.Allocate(400_000);
        using KvStep step = backend.CreateKvStep(s_layout, cache, 0, blocks + 2);
        int floats = (int)(s_layout.BlockBytes / sizeof(float));
        for (int i = 0; i < blocks + 2; i++)
        {
            backend.Upload(Values(floats), cache.View(1, floats, i * s_layout.BlockBytes));
        }
        Tensor qkv = memory.View(batch, s_shape.QkvColumns), output = memory.View(batch, s_shape.QueryColumns, qkv.Elements * sizeof(float));
        backend.Upload(Values(qkv.Elements), qkv);
        float[] result = new float[output.Elements];
        // In reverse: neighbours in a table need not be neighbours in memory.
        int[] tables = [.. Enumerable.Range(0, blocks + 2).Reverse()];
        step.Set(batch, [new(0, 1, 9, 0), new(1, rows, position, 1), new(rows + 1, 1, 5, blocks + 1)], tables);
        // More than the staging area holds goes by before the tables are read.
        for (int i = 0; i < 4; i++)
        {
            backend.Upload(Values(100_000), elsewhere.View(1, 100_000));
        }
        backend.RotateNormAndAppend(qkv, s_shape, null, 1e-5f, null, step, Layer);
        backend.Attention(qkv, s_shape, step, Layer, output);
        backend.Download(output, result);
        return result;
    }
}
