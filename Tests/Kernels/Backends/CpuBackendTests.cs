using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Kernels.Backends;

public sealed unsafe class CpuBackendTests
{
    /// <summary>Limits of a container are part of what the process may use.</summary>
    [Fact]
    public void ACacheMayTakeHalfOfWhatTheProcessMayUse()
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        Assert.InRange(backend.CacheBytes, 1, ProcessMemory.Usable() / 2);
    }

    [Fact]
    public void ALayerAllocatesNothingOnceBuffersHaveGrown()
    {
        const int tokens = 5, dim = 32, experts = 4;
        AttentionShape shape = new(2, 1, 16);
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 2 });
        KvLayout layout = backend.LayoutOf(16, 1, shape, KvFormat.BF16);
        using HostTensor x = HostTensor.Random(tokens, dim, 1);
        using HostTensor weights = HostTensor.Random(64, dim, 2);
        using var normed = new HostTensor(tokens, dim);
        using var qkv = new HostTensor(tokens, shape.QkvColumns);
        using var heads = new HostTensor(tokens, shape.QueryColumns);
        using var angles = new HostTensor(tokens, 16);
        using var scales = new HostTensor(tokens, 1);
        using var logits = new HostTensor(tokens, experts);
        using IMatrix square = backend.Pack([MatrixSource.RowMajor(weights.View.Address, ElementType.F32, dim, dim)]);
        using IMatrix wide = backend.Pack([MatrixSource.RowMajor(weights.View.Address, ElementType.F32, 64, dim)]);
        using IMatrix router = backend.Pack([MatrixSource.RowMajor(weights.View.Address, ElementType.F32, experts, dim)]);
        using IEmbedding table = backend.CreateEmbedding(MatrixSource.RowMajor(weights.View.Address, ElementType.F32, 64, dim));
        using Routing routing = backend.CreateRouting(tokens, experts, 2);
        using DeviceMemory block = backend.Allocate(layout.BlockBytes);
        using KvStep step = backend.CreateKvStep(layout, block, 0, 1);
        ExpertWeights[] expertWeights = [.. Enumerable.Range(0, experts).Select(_ => new ExpertWeights(wide, square))];
        int[] ids = [1, 2, 3, 4, 5];
        int[] positions = [0, 1, 2, 3, 4];
        float[] frequencies = [1, .5f, .25f, .125f, .1f, .05f, .02f, .01f];
        Tensor weight = weights.View.Slice(0, 1);

        void Layer()
        {
            backend.Embed(table, ids, x.View);
            backend.RopeAngles(frequencies, positions, angles.View);
            backend.QueryScales(positions, 0.1f, 8192f, scales.View);
            backend.RmsNorm(x.View, weight, 1e-5f, normed.View);
            backend.Linear(normed.View, wide, null, qkv.View);
            step.Set(tokens, [new KvSegment(0, tokens, 0, 0)], [0]);
            backend.RotateNormAndAppend(qkv.View, shape, angles.View, 1e-5f, scales.View, step, 0);
            backend.Attention(qkv.View, shape, step, 0, heads.View);
            backend.Linear(heads.View, square, null, normed.View);
            backend.Add(normed.View, x.View);
            backend.Linear(x.View, router, null, logits.View);
            backend.RouteTopK(logits.View, routing);
            backend.ExpertFeedForward(normed.View, routing, expertWeights, x.View);
            backend.LayerNorm(x.View, weight, weight, 1e-5f, normed.View);
            backend.Gelu(normed.View);
        }

        Layer();
        Layer();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++)
        {
            Layer();
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.DoesNotContain(x.Values.ToArray(), value => !float.IsFinite(value));
    }

    [Fact]
    public void CopiesRoundTripAndSizesAreChecked()
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using DeviceMemory memory = backend.Allocate(48);
        Assert.Equal(0, memory.Address % 64);
        float[] values = [1, 2, 3, 4, 5, 6];
        backend.Upload(values, memory.View(2, 3, 24));
        float[] read = new float[6];
        backend.Download(memory.View(2, 3, 24), read);
        Assert.Equal(values, read);
        backend.Download(memory.View(2, 3), read);
        Assert.Equal(new float[6], read);
        Assert.Throws<ArgumentException>(() => backend.Upload(values, memory.View(2, 2)));
        Assert.Throws<ArgumentException>(() => backend.Download(memory.View(2, 2), read));
        Assert.Throws<ArgumentOutOfRangeException>(() => backend.Allocate(-1));
    }

    [Fact]
    public void SaysWhatItIs()
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 3 });
        Assert.Equal("cpu", backend.Name);
        Assert.Contains("3 threads", backend.Description, StringComparison.Ordinal);
    }

    [Fact]
    public void ShapesAndOwnersOfMatricesAreChecked()
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using HostTensor w = HostTensor.Random(6, 8, 1);
        using HostTensor x = HostTensor.Random(3, 8, 2);
        using var y = new HostTensor(3, 6);
        using IMatrix matrix = backend.Pack([MatrixSource.RowMajor(w.View.Address, ElementType.F32, 6, 8)]);
        backend.Linear(x.View, matrix, null, y.View);
        double expected = 0;
        for (int c = 0; c < 8; c++)
        {
            expected += (double)x.Values[16 + c] * w.Values[40 + c];
        }
        Assert.Equal(expected, y.Values[17], 1e-6);
        Assert.Throws<ArgumentException>(() => backend.Linear(y.View, matrix, null, y.View));
        Assert.Throws<ArgumentException>(() => backend.Linear(x.View, matrix, x.View, y.View));
        Assert.Throws<ArgumentException>(() => backend.Linear(x.View, new ForeignMatrix(), null, y.View));
    }

    private sealed class ForeignMatrix : IMatrix
    {
        public int Rows => 6;

        public int Columns => 8;

        public WeightFormat Format => WeightFormat.F32;

        public string Layout => "none";

        public long Bytes => 0;

        public void Dispose()
        {
        }
    }
}
