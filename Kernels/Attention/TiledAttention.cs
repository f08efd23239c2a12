using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Runs the tiles of a call over a thread team: one item per tile and key/value head when there are enough of them,
/// otherwise one per key split too, whose states are folded in order. Both give the same bits.
/// </summary>
internal static unsafe class TiledAttention
{
    /// <summary>Query rows a tile aims for: enough to pay for transposing the keys, few enough for the second-level cache.</summary>
    public const int TargetRows = 64;

    /// <summary>Tokens of a tile when each key/value head serves <paramref name="group"/> query heads.</summary>
    public static int TileTokens(int group) => Math.Max(1, TargetRows / group);

    /// <summary>Bytes of scratch that <see cref="Run"/> needs.</summary>
    public static long ScratchBytes(ThreadTeam team, in AttentionPlan plan, int tiles, int maxKeys)
    {
        int items = tiles * plan.KvHeads;
        long floats = team.Threads * plan.WorkerFloats;
        int wave = WaveSplits(team, items, maxKeys);
        if (wave > 0)
        {
            floats += items * (wave + 1L) * plan.StateFloats;
        }
        return floats * sizeof(float);
    }

    /// <summary>Computes all tiles. <paramref name="maxKeys"/> is the largest key count of a tile.</summary>
    public static void Run<TCodec>(ThreadTeam team, in AttentionPlan plan, AttentionTile* tiles, int count, int maxKeys, float* scratch)
        where TCodec : struct, IKvCodec
    {
        int items = checked(count * plan.KvHeads);
        int wave = WaveSplits(team, items, maxKeys);
        if (wave == 0)
        {
            team.Run(items, new WholeJob<TCodec>(plan, tiles, count, team.Threads, scratch));
            return;
        }
        float* totals = scratch + team.Threads * plan.WorkerFloats;
        float* parts = totals + items * plan.StateFloats;
        int splits = SplitCount(maxKeys);
        for (int first = 0; first < splits; first += wave)
        {
            int inWave = Math.Min(wave, splits - first);
            team.Run(checked(items * inWave), new SplitJob<TCodec>(plan, tiles, first, inWave, scratch, parts));
            team.Run(items, new FoldJob(plan, tiles, first, inWave, first + inWave == splits, totals, parts));
        }
    }

    private static int SplitCount(int keys) => (int)(((long)keys + AttentionCore.SplitKeys - 1) / AttentionCore.SplitKeys);

    /// <summary>Splits worked on between two folds; 0 when tiles alone occupy the team.</summary>
    private static int WaveSplits(ThreadTeam team, int items, int maxKeys)
    {
        int splits = SplitCount(maxKeys);
        if (splits <= 1 || team.Threads == 1 || items >= 4 * team.Threads)
        {
            return 0;
        }
        return Math.Min(splits, Math.Max(1, 8 * team.Threads / Math.Max(1, items)));
    }

    private static AttentionState State(float* states, long index, in AttentionPlan plan) =>
        new(states + index * plan.StateFloats, plan.TileRows, plan.PaddedDim);

    private readonly struct WholeJob<TCodec>(AttentionPlan plan, AttentionTile* tiles, int count, int threads, float* scratch) : ITeamJob
        where TCodec : struct, IKvCodec
    {
        public void Execute(int item, int worker)
        {
            AttentionTile tile = Tile(item);
            int kvHead = item % plan.KvHeads;
            int rows = tile.Tokens * plan.Group;
            float* states = scratch + worker * plan.WorkerFloats;
            AttentionState total = State(states, 0, plan);
            AttentionState part = State(states, 1, plan);
            float* queries = states + 2 * plan.StateFloats;
            float* work = queries + (long)plan.TileRows * plan.PaddedDim;
            AttentionCore.LoadQueries(plan, tile, kvHead, queries);
            AttentionCore.Clear(total, rows, plan.PaddedDim);
            byte* next = Next(item + threads);
            for (int split = 0; split < SplitCount(tile.KeyCount); split++)
            {
                AttentionCore.Split<TCodec>(plan, tile, kvHead, split, queries, work, part, next);
                AttentionCore.Fold(total, part, rows, plan.PaddedDim);
            }
            AttentionCore.Finish(plan, tile, kvHead, total);
        }

        /// <summary>Last tile first: under a causal mask it is the longest.</summary>
        private AttentionTile Tile(int item) => tiles[count - 1 - item / plan.KvHeads];

        /// <summary>The first keys of the item that this thread is likely to take next.</summary>
        private byte* Next(int item) =>
            item < count * plan.KvHeads ? KeyValueBlock.StoredKeys<TCodec>(plan, Tile(item).Table, item % plan.KvHeads, 0, 1) : null;
    }

    private readonly struct SplitJob<TCodec>(AttentionPlan plan, AttentionTile* tiles, int first, int inWave, float* scratch, float* parts) : ITeamJob
        where TCodec : struct, IKvCodec
    {
        public void Execute(int item, int worker)
        {
            int index = item / inWave;
            AttentionTile tile = tiles[index / plan.KvHeads];
            int split = first + item % inWave;
            if (split >= SplitCount(tile.KeyCount))
            {
                return;
            }
            float* queries = scratch + worker * plan.WorkerFloats + 2 * plan.StateFloats;
            float* work = queries + (long)plan.TileRows * plan.PaddedDim;
            AttentionCore.LoadQueries(plan, tile, index % plan.KvHeads, queries);
            AttentionCore.Split<TCodec>(plan, tile, index % plan.KvHeads, split, queries, work, State(parts, item, plan), null);
        }
    }

    private readonly struct FoldJob(AttentionPlan plan, AttentionTile* tiles, int first, int inWave, bool last, float* totals, float* parts) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            AttentionTile tile = tiles[item / plan.KvHeads];
            int rows = tile.Tokens * plan.Group;
            AttentionState total = State(totals, item, plan);
            if (first == 0)
            {
                AttentionCore.Clear(total, rows, plan.PaddedDim);
            }
            int end = Math.Min(first + inWave, SplitCount(tile.KeyCount));
            for (int split = first; split < end; split++)
            {
                AttentionCore.Fold(total, State(parts, (long)item * inWave + split - first, plan), rows, plan.PaddedDim);
            }
            if (last)
            {
                AttentionCore.Finish(plan, tile, item % plan.KvHeads, total);
            }
        }
    }
}
