using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Tests.Engine.KvCache;

public sealed class SequenceBlocksTests
{
    [Theory]
    [InlineData("tiny-scout", 32)] // chunk 32
    [InlineData("tiny-long", 8192)]
    public void BlocksOfChunkedLayersGoWhenTheirChunkIsOver(string model, int chunk)
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using BlockPool pool = Pool(backend, model, 16, 64 << 20);
        var sequence = new SequenceBlocks(pool);
        Assert.Equal(chunk, sequence.RowsBeforeChunkEdge(chunk + 5));
        sequence.Begin(chunk - 3);
        sequence.Commit(chunk - 3);
        Assert.Equal(3, sequence.RowsBeforeChunkEdge(100));
        Assert.Equal(chunk / 16, sequence.Table(BlockKind.Chunked).Length);
        sequence.Begin(3);
        Assert.Equal(chunk / 16, pool.UsedBlocks(BlockKind.Chunked));
        sequence.Commit(3);
        Assert.Equal(chunk / 16, pool.UsedBlocks(BlockKind.Chunked));
        sequence.LeaveChunk();
        Assert.Equal((0, chunk / 16), (pool.UsedBlocks(BlockKind.Chunked), pool.UsedBlocks(BlockKind.Full)));
        Assert.Equal((0, chunk), (sequence.LocalPosition(BlockKind.Chunked), sequence.LocalPosition(BlockKind.Full)));
        sequence.Clear();
        Assert.Equal(0, pool.UsedBytes);
    }

    [Fact]
    public void WithoutChunksEveryLayerKeepsEverything()
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using BlockPool pool = Pool(backend, "tiny-flat", 16, 8 << 20);
        var sequence = new SequenceBlocks(pool);
        for (int i = 0; i < 100; i++)
        {
            Assert.Equal(1, sequence.RowsBeforeChunkEdge(1));
            sequence.Begin(1);
            sequence.Commit(1);
        }
        Assert.Equal((0, 7), (pool.UsedBlocks(BlockKind.Chunked), pool.UsedBlocks(BlockKind.Full)));
        sequence.Clear();
        Assert.Equal((0, 0), (pool.UsedBlocks(BlockKind.Full), sequence.Length));
    }

    [Fact]
    public void AStepThatIsCancelledOrFindsNoRoomLeavesWhatWasThere()
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        TextConfig config = ModelConfig.Load(GoldenFiles.Path("tiny-scout")).Text;
        long two = BlockPool.BytesFor(config, backend.LayoutOf, KvFormat.F32, 16, 32);
        using BlockPool pool = Pool(backend, "tiny-scout", 16, two);
        SequenceBlocks first = new(pool), second = new(pool);
        first.Begin(5);
        first.Commit(5);
        first.Begin(20);
        Assert.Equal(2, first.Table(BlockKind.Full).Length);
        first.Cancel();
        Assert.Equal((1, 1, 5), (first.Table(BlockKind.Full).Length, first.Table(BlockKind.Chunked).Length, first.Length));
        CacheFullException error = Assert.Throws<CacheFullException>(() => second.Begin(17));
        Assert.Equal((pool.UsedBytes, pool.Bytes), (error.UsedBytes, error.BudgetBytes));
        Assert.Equal((1, 1, 0), (pool.UsedBlocks(BlockKind.Full), pool.UsedBlocks(BlockKind.Chunked), second.Length));
        second.Begin(16);
        Assert.Equal(1, first.Missing(BlockKind.Full, 20));
        Assert.Throws<CacheFullException>(() => first.Begin(20));
        second.Cancel();
        first.Begin(20);
        first.Commit(20);
        Assert.Equal(25, first.Length);
    }

    internal static BlockPool Pool(IBackend backend, string model, int blockTokens, long bytes) =>
        new(backend, ModelConfig.Load(GoldenFiles.Path(model)).Text, KvFormat.F32, blockTokens, bytes);
}
