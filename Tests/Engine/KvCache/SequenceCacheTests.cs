using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Tests.Engine.KvCache;

public sealed class SequenceCacheTests
{
    [Theory]
    [InlineData("tiny-scout", 32)] // chunk 32
    [InlineData("tiny-long", 8192)]
    public void Steps_end_at_chunk_edges(string model, int chunk)
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        TextConfig config = ModelConfig.Load(GoldenFiles.Path(model)).Text;
        using var pool = new KvPagePool(backend, new KvLayout(16, config.KvHeads, config.HeadDim, KvFormat.F32));
        using var cache = new SequenceCache(config, pool);
        Assert.Equal(chunk, cache.RowsBeforeChunkEdge(chunk + 5));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.BeginStep(chunk + 1));
        cache.BeginStep(chunk - 3);
        cache.EndStep(chunk - 3);
        Assert.Equal(3, cache.RowsBeforeChunkEdge(100));
    }

    [Fact]
    public void Without_chunks_every_layer_keeps_everything()
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        TextConfig config = ModelConfig.Load(GoldenFiles.Path("tiny-flat")).Text;
        using var pool = new KvPagePool(backend, new KvLayout(16, config.KvHeads, config.HeadDim, KvFormat.F32));
        using var cache = new SequenceCache(config, pool);
        cache.Reserve(100);
        long reserved = pool.AllocatedBytes;
        for (int i = 0; i < 100; i++)
        {
            Assert.Equal(1, cache.RowsBeforeChunkEdge(1));
            cache.BeginStep(1);
            cache.EndStep(1);
        }
        Assert.All(Enumerable.Range(0, config.Layers), layer => Assert.Equal(7, cache.PagesOf(layer)));
        Assert.Equal(reserved, pool.AllocatedBytes);
        cache.Clear();
        Assert.Equal((0, 0), (pool.RentedPages, cache.Length));
    }
}
