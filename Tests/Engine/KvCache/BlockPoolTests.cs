using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Tests.Engine.KvCache;

public sealed class BlockPoolTests
{
    private static readonly TextConfig s_scout = ModelConfig.Load(GoldenFiles.Path("tiny-scout")).Text;

    /// <summary>Random taking, referencing and releasing beside a plain list of what is in use: no block twice, none over another, never beyond the budget.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void BlocksInUseNeverOverlapAndAllMemoryServesEitherKind(int seed)
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        long[] sizes = [.. Enum.GetValues<BlockKind>().Select(kind => Size(backend, kind))];
        using BlockPool pool = SequenceBlocksTests.Pool(backend, "tiny-scout", 16, (20 * sizes[0]) + (7 * sizes[1]) + 300);
        using KvStep chunked = pool.CreateStep(backend, BlockKind.Chunked)!, full = pool.CreateStep(backend, BlockKind.Full)!;
        var random = new Random(seed);
        Dictionary<(BlockKind Kind, int Block), int> held = [];
        (int Blocks, long Bytes) peak = default;
        int refused = 0;
        for (int i = 0; i < 4000; i++)
        {
            // Long waves in which one kind or the other grows.
            BlockKind kind = random.Next(10) < (i / 500 % 2 == 0 ? 9 : 1) ? BlockKind.Chunked : BlockKind.Full;
            if (held.Count > 0 && random.Next(2) == 0)
            {
                (BlockKind Kind, int Block) key = held.Keys.ElementAt(random.Next(held.Count));
                if (random.Next(4) == 0)
                {
                    pool.Reference(key.Kind, key.Block);
                    held[key]++;
                }
                else
                {
                    pool.Release(key.Kind, key.Block);
                    if (--held[key] == 0)
                    {
                        held.Remove(key);
                    }
                }
                continue;
            }
            bool room = pool.HasRoom(kind == BlockKind.Chunked ? 1 : 0, kind == BlockKind.Full ? 1 : 0);
            if (room)
            {
                Assert.True(held.TryAdd((kind, pool.Take(kind)), 1));
            }
            else
            {
                refused++;
                Assert.Throws<CacheFullException>(() => pool.Take(kind));
            }
            Assert.Equal(held.Keys.Sum(key => sizes[(int)key.Kind]), pool.UsedBytes);
            peak = (Math.Max(peak.Blocks, held.Count), Math.Max(peak.Bytes, pool.UsedBytes));
            Assert.Equal(peak, pool.Peak);
            long end = 0;
            foreach ((long start, long bytes) in held.Keys.Select(key => (Place(key.Kind == BlockKind.Chunked ? chunked : full, key.Block, chunked.Blocks), sizes[(int)key.Kind])).Order())
            {
                Assert.True(start >= end && start + bytes <= pool.Bytes, $"block at {start}, the one before ends at {end}");
                end = start + bytes;
            }
        }
        Assert.True(refused > 20);
        foreach (((BlockKind kind, int block), int references) in held)
        {
            for (int i = 0; i < references; i++)
            {
                pool.Release(kind, block);
            }
        }
        Assert.Equal(0, pool.UsedBytes);
        // Each kind alone may have everything.
        Assert.True(pool.HasRoom((int)(pool.Bytes / sizes[0]), 0));
        Assert.True(pool.HasRoom(0, (int)(pool.Bytes / sizes[1])));
        Assert.False(pool.HasRoom((int)(pool.Bytes / sizes[0]) + 1, 0));
    }

    [Fact]
    public void ABlockThatIsNotInUseCannotBeReleasedOrReferenced()
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using BlockPool pool = SequenceBlocksTests.Pool(backend, "tiny-scout", 16, 1 << 20);
        int block = pool.Take(BlockKind.Full);
        pool.Reference(BlockKind.Full, block);
        pool.Release(BlockKind.Full, block);
        pool.Release(BlockKind.Full, block);
        Assert.Throws<InvalidOperationException>(() => pool.Release(BlockKind.Full, block));
        Assert.Throws<InvalidOperationException>(() => pool.Reference(BlockKind.Full, block));
        Assert.Equal(0, pool.UsedBytes);
    }

    [Fact]
    public void ABudgetWithoutRoomForABlockIsRefusedWithWhatIsNeeded()
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        long least = Enum.GetValues<BlockKind>().Sum(kind => Size(backend, kind));
        ArgumentException error = Assert.Throws<ArgumentException>(() => SequenceBlocksTests.Pool(backend, "tiny-scout", 16, least - 1));
        Assert.Contains(least.ToString("N0"), error.Message);
        SequenceBlocksTests.Pool(backend, "tiny-scout", 16, least).Dispose();
    }

    [Fact]
    public void TheMemoryThatASequenceTakesIsKnownBefore()
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        // 100 positions: seven blocks of full layers, two of a chunk of 32 positions.
        long expected = (7 * Size(backend, BlockKind.Full)) + (2 * Size(backend, BlockKind.Chunked));
        Assert.Equal(expected, BlockPool.BytesFor(s_scout, backend.LayoutOf, KvFormat.F32, 16, 100));
        Assert.Equal(expected / 2, BlockPool.BytesFor(s_scout, backend.LayoutOf, KvFormat.BF16, 16, 100));
    }

    private static long Size(CpuBackend backend, BlockKind kind) =>
        backend.LayoutOf(16, new CacheLayers(s_scout).Count(kind), new AttentionShape(s_scout.Heads, s_scout.KvHeads, s_scout.HeadDim), KvFormat.F32).BlockBytes;

    private static long Place(KvStep step, int block, nint origin) => step.Blocks - origin + block * step.Layout.BlockBytes;
}
