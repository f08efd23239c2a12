using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Kernels.Backends;

namespace Llama4Kernels.Tests.Engine.KvCache;

/// <summary>What is found of a prompt, what is evicted first, and that references add up. Chunks of 32 positions, blocks of 8.</summary>
public sealed class PrefixCacheTests : IDisposable
{
    private const int Block = 8, Chunk = 32;

    private readonly CpuBackend _backend = new(new CpuBackendOptions { Threads = 1 });
    private readonly BlockPool _pool;
    private readonly PrefixCache _cache;

    public PrefixCacheTests()
    {
        _pool = SequenceBlocksTests.Pool(_backend, "tiny-scout", Block, 1 << 22);
        _cache = new PrefixCache(_pool);
    }

    public void Dispose()
    {
        _pool.Dispose();
        _backend.Dispose();
    }

    [Theory]
    [InlineData("tiny-scout", 24, 16)]
    [InlineData("tiny-scout", 33, 32)]
    [InlineData("tiny-scout", 3, 2)]
    [InlineData("tiny-flat", 24, 24)]
    public void ABlockNeverStraddlesAChunkEdge(string model, int wanted, int expected)
    {
        using BlockPool pool = SequenceBlocksTests.Pool(_backend, model, wanted, 1 << 22);
        Assert.Equal(expected, pool.BlockTokens);
    }

    /// <summary>However long the cached sequence and the prompt: what is found is what both share, and no less.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(31)]
    [InlineData(32)]
    [InlineData(33)]
    [InlineData(100)]
    public void APromptFindsWhatItShares(int length)
    {
        long[] keys = Keys(length);
        Cache(keys);
        for (int shared = 0; shared <= length; shared++)
        {
            PrefixMatch match = _cache.Find("", [.. keys[..shared], 7777, 8888]);
            // Of a chunk that was over before the sequence ended, chunked layers have kept nothing of their own but what the tree keeps.
            Assert.Equal(shared, Positions(match));
        }
        Assert.Equal(length, Positions(_cache.Find("", keys)));
    }

    [Fact]
    public void AnotherSaltOrKeySharesNothing()
    {
        long[] keys = Keys(20);
        Cache(keys, "a");
        Assert.Equal(20, Positions(_cache.Find("a", keys)));
        Assert.Equal(0, Positions(_cache.Find("b", keys)));
        Assert.Equal(0, Positions(_cache.Find("", keys)));
        // A picture in the place of another has other keys: nothing from there on is shared.
        long[] other = [.. keys];
        other[11] = long.MinValue | 5;
        Assert.Equal(11, Positions(_cache.Find("a", other)));
    }

    [Fact]
    public void WithoutChunkedBlocksOnlyChunkEdgesBeforeThemAreLeft()
    {
        long[] keys = Keys(90);
        Cache(keys);
        Assert.Equal(12, _cache.ChunkedNodes);
        // The use of the last chunk leaves the chunked blocks of the first two behind: they go first, alone.
        Assert.Equal(90, Positions(_cache.Find("", keys)));
        int full = _pool.UsedBlocks(BlockKind.Full);
        Hold(chunked: 8);
        Assert.Equal((4, full), (_cache.ChunkedNodes, _pool.UsedBlocks(BlockKind.Full)));
        Assert.Equal(90, Positions(_cache.Find("", keys)));
        Assert.Equal(64, Positions(_cache.Find("", keys.AsSpan(0, 64))));
        // Inside the second chunk nothing is usable beyond the edge before it.
        Assert.Equal(32, Positions(_cache.Find("", keys.AsSpan(0, 60))));
        Assert.Equal(0, Positions(_cache.Find("", keys.AsSpan(0, 31))));
    }

    [Fact]
    public void WhatWasUsedLongestAgoGoesFirstAndEndsBeforeBeginnings()
    {
        long[] common = Keys(16), a = [.. common, .. Keys(16, 100)], b = [.. common, .. Keys(16, 200)];
        Cache(a);
        Cache(b);
        Assert.Equal(6, _cache.Nodes);
        _cache.Find("", a);
        Evict(1);
        Assert.Equal((24, 32), (Positions(_cache.Find("", b)), Positions(_cache.Find("", a))));
        Evict(1);
        Assert.Equal((16, 32), (Positions(_cache.Find("", b)), Positions(_cache.Find("", a))));
        Evict(1);
        Assert.Equal((16, 24), (Positions(_cache.Find("", b)), Positions(_cache.Find("", a))));
        _cache.Clear();
        Assert.Equal((0, 0L), (_cache.Nodes, _pool.UsedBytes));
    }

    [Fact]
    public void WhatASequenceStandsOnStays()
    {
        long[] keys = Keys(20);
        var running = new Holder(this, keys, "");
        _cache.Clear();
        Assert.Equal(2, _cache.Nodes);
        Assert.Equal(16, Positions(_cache.Find("", keys)));
        running.End();
        Assert.Equal((3, 20), (_cache.Nodes, Positions(_cache.Find("", keys))));
        _cache.Clear();
        Assert.Equal((0, 0L), (_cache.Nodes, _pool.UsedBytes));
    }

    [Fact]
    public void EqualSequencesThatRunTogetherComeToShareTheirBlocks()
    {
        long[] keys = Keys(40);
        Holder first = new(this, keys, ""), second = new(this, keys, "");
        // Five blocks of full layers; of chunked ones the four of the chunk that is over, and the one of the next.
        Assert.Equal((5, 5), (_pool.UsedBlocks(BlockKind.Full), _pool.UsedBlocks(BlockKind.Chunked)));
        Assert.Equal(first.Blocks.Table(BlockKind.Full).ToArray(), second.Blocks.Table(BlockKind.Full).ToArray());
        first.End();
        _cache.Clear();
        Assert.Equal((5, 1), (_pool.UsedBlocks(BlockKind.Full), _pool.UsedBlocks(BlockKind.Chunked)));
        second.End();
        _cache.Clear();
        Assert.Equal(0, _pool.UsedBytes);
    }

    [Fact]
    public void ALongerEndTakesThePlaceOfAShorterOne()
    {
        long[] keys = Keys(20);
        Cache(keys[..3]);
        Cache(keys[..5]);
        Assert.Equal((1, 5), (_cache.Nodes, Positions(_cache.Find("", keys))));
        Cache(keys[..4]);
        Assert.Equal((1, 5), (_cache.Nodes, Positions(_cache.Find("", keys))));
        Cache(keys);
        Assert.Equal((3, 20), (_cache.Nodes, Positions(_cache.Find("", keys))));
        // Another end beside them.
        Cache([.. keys[..3], 99]);
        Assert.Equal(4, _cache.Nodes);
        Assert.Equal(4, _pool.UsedBlocks(BlockKind.Full));
    }

    /// <summary>Random sequences, prompts, evictions: what is found was cached, and in the end nothing is left.</summary>
    [Fact]
    public void ReferencesAddUpWhateverHappens()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            var random = new Random(seed);
            List<Holder> running = [];
            for (int i = 0; i < 200; i++)
            {
                switch (random.Next(4))
                {
                    case 0 when running.Count < 5:
                        running.Add(new Holder(this, RandomKeys(random), random.Next(3) == 0 ? "salt" : ""));
                        break;
                    case 1 when running.Count > 0:
                        Holder ending = running[random.Next(running.Count)];
                        running.Remove(ending);
                        ending.End();
                        break;
                    case 2:
                        Evict(random.Next(3));
                        break;
                    default:
                        long[] keys = RandomKeys(random);
                        Assert.InRange(Positions(_cache.Find("", keys)), 0, keys.Length);
                        break;
                }
            }
            running.ForEach(holder => holder.End());
            _cache.Clear();
            Assert.Equal((0, 0, 0L), (_cache.Nodes, _cache.ChunkedNodes, _pool.UsedBytes));
        }
    }

    private static long[] Keys(int count, int from = 0) => [.. Enumerable.Range(from, count).Select(i => (long)i)];

    // Few different ones, so that much is shared.
    private static long[] RandomKeys(Random random) =>
        [.. Enumerable.Range(0, random.Next(1, 80)).Select(i => i % 13 == 0 ? random.Next(2) : i)];

    private static int Positions(PrefixMatch match) => Block * match.Nodes.Count + match.TailPositions;

    private void Cache(long[] keys, string salt = "") => new Holder(this, keys, salt).End();

    /// <summary>Takes all that is free and so many chunked blocks more, which must be evicted for it.</summary>
    private void Hold(int chunked)
    {
        int free = 0;
        while (_pool.HasRoom(free + 1, 0))
        {
            free++;
        }
        Assert.True(_cache.MakeRoom(free + chunked, 0));
    }

    /// <summary>As if memory for so many blocks of full layers were missing.</summary>
    private void Evict(int blocks)
    {
        List<int> taken = [];
        while (_pool.HasRoom(0, 1))
        {
            taken.Add(_pool.Take(BlockKind.Full));
        }
        for (int i = 0; i < blocks && _cache.MakeRoom(0, 1); i++)
        {
            taken.Add(_pool.Take(BlockKind.Full));
        }
        taken.ForEach(block => _pool.Release(BlockKind.Full, block));
    }

    /// <summary>A sequence as steps treat it, without a model.</summary>
    private sealed class Holder
    {
        private readonly PrefixCacheTests _test;
        private readonly long[] _keys;
        private PrefixNode _at;

        public Holder(PrefixCacheTests test, long[] keys, string salt)
        {
            (_test, _keys) = (test, keys);
            Blocks = new SequenceBlocks(test._pool);
            PrefixMatch match = test._cache.Find(salt, keys.AsSpan(0, keys.Length - 1));
            Blocks.Share(match.Nodes);
            Assert.Equal(match.Nodes.Count * Block, Blocks.Length);
            _at = match.Nodes is [.., PrefixNode last] ? test._cache.Pin(last) : test._cache.Pin(salt);
            while (Blocks.Length < keys.Length)
            {
                int rows = Blocks.RowsBeforeChunkEdge(Math.Min(5, keys.Length - Blocks.Length));
                Blocks.Begin(rows);
                Blocks.Commit(rows);
                _at = test._cache.Insert(_at, keys.AsSpan(0, Blocks.Length), Blocks);
                Blocks.LeaveChunk();
            }
        }

        public SequenceBlocks Blocks { get; }

        public void End()
        {
            _test._cache.InsertTail(_at, _keys, Blocks);
            _test._cache.Unpin(_at);
            Blocks.Clear();
        }
    }
}
