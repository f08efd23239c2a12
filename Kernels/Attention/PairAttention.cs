using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Attention over keys and values in pairs. A unit is up to five heads of one token that share a key/value head: all its rows see
/// the same keys, so that no mask enters a product. Keys are taken in tiles that are whole blocks of the cache or parts of one, at
/// most 128 positions, so that keys and then values are read as they lie, and in splits of about 2,048, counted from position 0,
/// whatever the step: a row meets the same operations in the same order if it is decoded alone or prefilled with others. A tile of
/// the cache is read once for all tokens of a tile of queries.
/// </summary>
internal readonly unsafe struct PairAttention<TTile> : IAttentionForm
    where TTile : struct, IPairTile
{
    // Tokens whose heads share what is read.
    private const int Tokens = 16;

    private const int Keys = 2048;

    // Lines of a pair of rows: the units that come first share them out, to ask for what is read next.
    private const int Lines = 4;

    public static int TileTokens(int group) => Tokens;

    public static int SplitKeys(in AttentionPlan plan) => Math.Max(1, Keys / Whole(plan)) * Whole(plan);

    public static long WorkFloats(in AttentionPlan plan) => new PairWork(plan, null, TTile.OperandBytes).Floats;

    public static void LoadQueries(in AttentionPlan plan, in AttentionTile tile, int kvHead, float* work)
    {
        PairWork space = new(plan, work, TTile.OperandBytes);
        for (int token = 0; token < tile.Tokens; token++)
        {
            float* from = plan.Query(tile.Row + token, kvHead);
            for (int part = 0; part < space.Parts; part++)
            {
                PairUnit unit = space.Unit(token, part);
                for (int row = 0; row < space.Rows(part); row++, from += plan.HeadDim)
                {
                    PairSoftmax.StoreQuery<TTile>(from, plan.HeadDim, unit, row);
                }
            }
        }
    }

    public static void Split(in AttentionPlan plan, in AttentionTile tile, int kvHead, int split, float* work, AttentionState state, byte* next)
    {
        PairWork space = new(plan, work, TTile.OperandBytes);
        int first = split * SplitKeys(plan), last = (int)Math.Min(tile.KeyCount, (long)first + SplitKeys(plan));
        for (int position = first; position < last;)
        {
            int end = Math.Min(last, TileEnd(plan, position));
            byte* after = end < last ? FirstKeys(plan, tile, kvHead, end) : next;
            int token = 0;
            while (tile.Visible(token) <= position)
            {
                token++;
            }
            Tile(plan, tile, kvHead, space, token, position, end, position == first, after);
            position = end;
        }
        for (int token = 0; token < tile.Tokens; token++)
        {
            for (int part = 0; part < space.Parts; part++)
            {
                PairSoftmax.Finish(plan, space, token, part, tile.Visible(token) > first, state);
            }
        }
    }

    public static byte* FirstKeys(in AttentionPlan plan, in AttentionTile tile, int kvHead) => FirstKeys(plan, tile, kvHead, 0);

    private static byte* FirstKeys(in AttentionPlan plan, in AttentionTile tile, int kvHead, int position)
    {
        int slot = position % plan.BlockTokens;
        return plan.Head(tile.Table, position, kvHead) + plan.KeyPanels.Panel(slot / KvPanels.Width, 0) * sizeof(ushort);
    }

    /// <summary>Positions that tiles begin anew at: those of a block, or of some small ones.</summary>
    private static int Whole(in AttentionPlan plan) => Math.Max(1, PairTile.OperandStride / plan.BlockTokens) * plan.BlockTokens;

    private static int TileEnd(in AttentionPlan plan, int position)
    {
        int start = position - (position % Whole(plan));
        return (int)Math.Min((long)position + PairTile.OperandStride, (long)start + Whole(plan));
    }

    /// <summary>Positions position … end − 1 for the tokens from the first that sees one of them on.</summary>
    private static void Tile(in AttentionPlan plan, in AttentionTile tile, int kvHead, in PairWork space, int firstToken, int position, int end, bool begins, byte* next)
    {
        PairRuns runs = space.Runs;
        runs.Fill(plan, tile.Table, kvHead, position, end, next);
        // Four lines by one unit, two by each of two or three, one by each of four.
        int units = (tile.Tokens - firstToken) * space.Parts, lines = Lines / Math.Min(Lines, units == 1 ? 1 : units & -2);
        for (int run = 0; run < runs.Count; run++)
        {
            for (int token = firstToken; token < tile.Tokens; token++)
            {
                int count = Math.Min(runs.Positions(run), Math.Min(tile.Visible(token), end) - position - runs.Start(run));
                for (int part = 0; count > 0 && part < space.Parts; part++)
                {
                    Scores(plan, runs, run, space.Unit(token, part), space.Rows(part), count, (token - firstToken) * space.Parts + part, lines);
                }
            }
        }
        for (int token = firstToken; token < tile.Tokens; token++)
        {
            for (int part = 0; part < space.Parts; part++)
            {
                TTile.Weigh(space.Unit(token, part), space.Rows(part), Math.Min(tile.Visible(token), end) - position, begins, plan.Scale);
            }
        }
        for (int panel = 0; panel < plan.ValuePanels.Count; panel++)
        {
            int vectors = plan.ValuePanels.WidthOf(panel) / 16;
            for (int token = firstToken; token < tile.Tokens; token++)
            {
                for (int part = 0; part < space.Parts; part++)
                {
                    PairUnit unit = space.Unit(token, part);
                    int asker = (token - firstToken) * space.Parts + part;
                    PairShape shape = new(space.Rows(part), vectors, vectors, IsScores: false, Continues: !begins, Asked(asker, lines));
                    TTile.Multiply(shape, runs.Values(panel), unit.Weights, unit.Sum(panel), Math.Min(tile.Visible(token), end) - position, unit.Factors, 64 * asker * lines);
                }
            }
        }
    }

    private static void Scores(in AttentionPlan plan, in PairRuns runs, int run, PairUnit unit, int rows, int count, int asker, int lines)
    {
        int panelVectors = runs.PanelVectors(run), vectors = (count + 15) / 16;
        for (int chunk = 0; chunk < runs.Chunks; chunk++)
        {
            PairShape shape = new(rows, vectors, panelVectors, IsScores: true, Continues: chunk > 0, Asked(asker, lines));
            int components = Math.Min(PairTile.OperandStride, plan.HeadDim - chunk * PairTile.OperandStride);
            TTile.Multiply(shape, runs.Keys(run, chunk), unit.Query(chunk), unit.Scores + runs.Start(run), components, unit.Ones, 64 * asker * lines);
        }
    }

    private static int Asked(int asker, int lines) => asker * lines < Lines ? lines : 0;
}
