using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Runs the tiles of a call over a thread team: one item per tile and key/value head when there are enough of them,
/// otherwise one per key split too, whose states are folded in order. Both give the same bits.
/// </summary>
internal static unsafe class TiledAttention
{
    /// <summary>Keys below which a few items are handed out together: one alone is shorter than handing it over takes.</summary>
    private const int ManyKeys = 512;

    /// <summary>Bytes of scratch that <see cref="Run"/> needs.</summary>
    public static long ScratchBytes<TForm>(ThreadTeam team, in AttentionPlan plan, int tiles, int maxKeys)
        where TForm : struct, IAttentionForm
    {
        int items = tiles * plan.KvHeads;
        long floats = team.Threads * WorkerFloats<TForm>(plan);
        int wave = WaveSplits(team, items, SplitCount<TForm>(plan, maxKeys));
        if (wave > 0)
        {
            floats += items * (wave + 1L) * plan.StateFloats;
        }
        return floats * sizeof(float);
    }

    /// <summary>Computes all tiles. <paramref name="maxKeys"/> is the largest key count of a tile.</summary>
    public static void Run<TForm>(ThreadTeam team, in AttentionPlan plan, AttentionTile* tiles, int count, int maxKeys, float* scratch)
        where TForm : struct, IAttentionForm
    {
        int items = checked(count * plan.KvHeads), splits = SplitCount<TForm>(plan, maxKeys);
        int wave = WaveSplits(team, items, splits);
        if (wave == 0)
        {
            int together = Math.Clamp(items / (8 * team.Threads), 1, Math.Max(1, ManyKeys / maxKeys));
            team.Run((items + together - 1) / together, new WholeJob<TForm>(plan, tiles, count, team.Threads, together, scratch));
            return;
        }
        float* totals = scratch + team.Threads * WorkerFloats<TForm>(plan);
        float* parts = totals + items * plan.StateFloats;
        for (int first = 0; first < splits; first += wave)
        {
            int inWave = Math.Min(wave, splits - first);
            team.Run(checked(items * inWave), new SplitJob<TForm>(plan, tiles, first, inWave, scratch, parts));
            team.Run(items, new FoldJob<TForm>(plan, tiles, first, inWave, first + inWave == splits, totals, parts));
        }
    }

    private static int SplitCount<TForm>(in AttentionPlan plan, int keys)
        where TForm : struct, IAttentionForm => (int)(((long)keys + TForm.SplitKeys(plan) - 1) / TForm.SplitKeys(plan));

    // Two states, then the form's own.
    private static long WorkerFloats<TForm>(in AttentionPlan plan)
        where TForm : struct, IAttentionForm => 2 * plan.StateFloats + ((TForm.WorkFloats(plan) + 15) & ~15L);

    /// <summary>Splits worked on between two folds; 0 when tiles alone occupy the team.</summary>
    private static int WaveSplits(ThreadTeam team, int items, int splits)
    {
        if (splits <= 1 || team.Threads == 1 || items >= 4 * team.Threads)
        {
            return 0;
        }
        return Math.Min(splits, Math.Max(1, 8 * team.Threads / Math.Max(1, items)));
    }

    private static AttentionState State(float* states, long index, in AttentionPlan plan) =>
        new(states + index * plan.StateFloats, plan.TileRows, plan.PaddedDim);

    private readonly struct WholeJob<TForm>(AttentionPlan plan, AttentionTile* tiles, int count, int threads, int together, float* scratch) : ITeamJob
        where TForm : struct, IAttentionForm
    {
        public void Execute(int item, int worker)
        {
            int end = Math.Min(count * plan.KvHeads, (item + 1) * together);
            for (int i = item * together; i < end; i++)
            {
                Attend(i, i + 1 < end ? i + 1 : (item + threads) * together, worker);
            }
        }

        private void Attend(int item, int after, int worker)
        {
            AttentionTile tile = Tile(item);
            int kvHead = item % plan.KvHeads;
            int rows = tile.Tokens * plan.Group;
            float* states = scratch + worker * WorkerFloats<TForm>(plan);
            AttentionState total = State(states, 0, plan);
            AttentionState part = State(states, 1, plan);
            float* work = states + 2 * plan.StateFloats;
            TForm.LoadQueries(plan, tile, kvHead, work);
            byte* next = Next(after);
            TForm.Split(plan, tile, kvHead, 0, work, total, next);
            for (int split = 1; split < SplitCount<TForm>(plan, tile.KeyCount); split++)
            {
                TForm.Split(plan, tile, kvHead, split, work, part, next);
                total.Fold(part, rows, plan.PaddedDim);
            }
            total.Finish(plan, tile, kvHead);
        }

        /// <summary>Last tile first: under a causal mask it is the longest.</summary>
        private AttentionTile Tile(int item) => tiles[count - 1 - item / plan.KvHeads];

        /// <summary>The first keys of the item that this thread is likely to take next.</summary>
        private byte* Next(int item) => item < count * plan.KvHeads ? TForm.FirstKeys(plan, Tile(item), item % plan.KvHeads) : null;
    }

    private readonly struct SplitJob<TForm>(AttentionPlan plan, AttentionTile* tiles, int first, int inWave, float* scratch, float* parts) : ITeamJob
        where TForm : struct, IAttentionForm
    {
        public void Execute(int item, int worker)
        {
            int index = item / inWave;
            AttentionTile tile = tiles[index / plan.KvHeads];
            int split = first + item % inWave;
            if (split >= SplitCount<TForm>(plan, tile.KeyCount))
            {
                return;
            }
            float* work = scratch + worker * WorkerFloats<TForm>(plan) + 2 * plan.StateFloats;
            TForm.LoadQueries(plan, tile, index % plan.KvHeads, work);
            TForm.Split(plan, tile, index % plan.KvHeads, split, work, State(parts, item, plan), null);
        }
    }

    private readonly struct FoldJob<TForm>(AttentionPlan plan, AttentionTile* tiles, int first, int inWave, bool last, float* totals, float* parts) : ITeamJob
        where TForm : struct, IAttentionForm
    {
        public void Execute(int item, int worker)
        {
            AttentionTile tile = tiles[item / plan.KvHeads];
            int rows = tile.Tokens * plan.Group;
            AttentionState total = State(totals, item, plan);
            int end = Math.Min(first + inWave, SplitCount<TForm>(plan, tile.KeyCount));
            for (int split = first; split < end; split++)
            {
                AttentionState part = State(parts, (long)item * inWave + split - first, plan);
                if (split == 0)
                {
                    total.Take(part, rows, plan.PaddedDim);
                }
                else
                {
                    total.Fold(part, rows, plan.PaddedDim);
                }
            }
            if (last)
            {
                total.Finish(plan, tile, item % plan.KvHeads);
            }
        }
    }
}
