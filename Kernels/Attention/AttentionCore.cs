using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Activation;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Softmax attention of one tile of queries and one key/value head. Keys are taken in blocks of 64 and splits of 512,
/// counted from position 0, whatever the tile: a row meets the same operations in the same order if it is decoded alone or
/// prefilled with others, so the results agree to the bit. Keys a row may not see get weight exactly 0, and what has weight
/// 0 leaves a state unchanged.
/// </summary>
internal static unsafe class AttentionCore
{
    /// <summary>Keys of a block: four vectors of scores.</summary>
    public const int BlockKeys = 64;

    /// <summary>Keys of a split, the unit of parallel work when there are few queries.</summary>
    public const int SplitKeys = 512;

    /// <summary>Copies the queries of a tile to [token · group + head, padded], multiplied by 1/√d.</summary>
    public static void LoadQueries(in AttentionPlan plan, in AttentionTile tile, int kvHead, float* queries)
    {
        float scale = (float)(1.0 / Math.Sqrt(plan.HeadDim));
        for (int token = 0; token < tile.Tokens; token++)
        {
            float* source = plan.Queries + (long)(tile.Row + token) * plan.QueryColumns + (long)kvHead * plan.Group * plan.HeadDim;
            for (int head = 0; head < plan.Group; head++)
            {
                for (int c = 0; c < plan.HeadDim; c++)
                {
                    queries[c] = source[c] * scale;
                }
                source += plan.HeadDim;
                queries += plan.PaddedDim;
            }
        }
    }

    /// <summary>An empty state.</summary>
    public static void Clear(AttentionState state, int rows, int paddedDim)
    {
        new Span<float>(state.Sum, rows * paddedDim).Clear();
        new Span<float>(state.Maximum, rows).Fill(float.NegativeInfinity);
        new Span<float>(state.Weight, rows).Clear();
    }

    /// <summary>The state of all rows of the tile over the keys of one split.</summary>
    /// <param name="plan">Layout.</param>
    /// <param name="tile">The queries.</param>
    /// <param name="kvHead">Key/value head.</param>
    /// <param name="split">Split number: keys split·512 ….</param>
    /// <param name="queries">From <see cref="LoadQueries"/>.</param>
    /// <param name="scratch">Scores, keys and values of a worker's workspace.</param>
    /// <param name="state">Receives the state.</param>
    /// <param name="next">Keys that are likely to be read next, or null.</param>
    public static void Split<TCodec>(in AttentionPlan plan, in AttentionTile tile, int kvHead, int split, float* queries, float* scratch, AttentionState state, byte* next)
        where TCodec : struct, IKvCodec
    {
        int rows = tile.Tokens * plan.Group;
        int padded = plan.PaddedDim;
        float* scores = scratch;
        float* keys = scores + (long)plan.TileRows * BlockKeys;
        float* values = keys + (long)BlockKeys * padded;
        Clear(state, rows, padded);
        int end = (int)Math.Min(tile.KeyCount, (split + 1L) * SplitKeys);
        for (int block = split * SplitKeys; block < end; block += BlockKeys)
        {
            int count = Math.Min(BlockKeys, end - block);
            byte* after = KeyValueBlock.StoredKeys<TCodec>(plan, tile.Table, kvHead, block + BlockKeys, end);
            after = after == null ? next : after;
            KeyValuePanels panels = KeyValueBlock.Get<TCodec>(plan, tile.Table, kvHead, block, count, rows, keys, values);
            if (panels.AreStored)
            {
                Block<TCodec>(plan, tile, panels, block, count, queries, scores, state, (byte*)panels.Values, after);
            }
            else
            {
                Block<F32KvCodec>(plan, tile, panels, block, count, queries, scores, state, null, after);
            }
        }
    }

    /// <summary>total ← total combined with part, which covers later keys.</summary>
    public static void Fold(AttentionState total, AttentionState part, int rows, int paddedDim)
    {
        for (int row = 0; row < rows; row++)
        {
            // A row that saw no key of the part keeps its bits.
            if (part.Maximum[row] == float.NegativeInfinity)
            {
                continue;
            }
            float maximum = MathF.Max(total.Maximum[row], part.Maximum[row]);
            float reference = maximum == float.NegativeInfinity ? 0f : maximum;
            float old = VectorMath.Exp(total.Maximum[row] - reference);
            float added = VectorMath.Exp(part.Maximum[row] - reference);
            total.Maximum[row] = maximum;
            total.Weight[row] = total.Weight[row] * old + part.Weight[row] * added;
            float* sum = total.Sum + (long)row * paddedDim;
            float* other = part.Sum + (long)row * paddedDim;
            for (int c = 0; c < paddedDim; c += Vector512<float>.Count)
            {
                (Vector512.Load(sum + c) * old + Vector512.Load(other + c) * added).Store(sum + c);
            }
        }
    }

    /// <summary>Writes the normalised sums to the output rows of the tile.</summary>
    public static void Finish(in AttentionPlan plan, in AttentionTile tile, int kvHead, AttentionState state)
    {
        int row = 0;
        for (int token = 0; token < tile.Tokens; token++)
        {
            float* y = plan.Output + (long)(tile.Row + token) * plan.OutputColumns + (long)kvHead * plan.Group * plan.HeadDim;
            for (int head = 0; head < plan.Group; head++, row++)
            {
                float scale = 1f / state.Weight[row];
                float* sum = state.Sum + (long)row * plan.PaddedDim;
                for (int c = 0; c < plan.HeadDim; c++)
                {
                    *y++ = sum[c] * scale;
                }
            }
        }
    }

    /// <summary>Adds a block to a state; what is read next is asked for while keys and values go by.</summary>
    private static void Block<TPanel>(
        in AttentionPlan plan, in AttentionTile tile, in KeyValuePanels panels, int block, int count, float* queries, float* scores, AttentionState state, byte* afterKeys, byte* afterValues)
        where TPanel : struct, IKvCodec
    {
        int rows = tile.Tokens * plan.Group;
        int padded = plan.PaddedDim;
        PanelProduct.Run<TPanel>(queries, padded, (byte*)panels.Keys, panels.KeyStride, scores, BlockKeys, rows, plan.HeadDim, BlockKeys, accumulate: false, afterKeys);
        for (int row = 0; row < rows; row++)
        {
            int visible = tile.FirstCount + row / plan.Group * tile.CountStep - block;
            Weigh(scores + row * BlockKeys, Math.Clamp(visible, 0, count), state, row, padded);
        }
        PanelProduct.Run<TPanel>(scores, BlockKeys, (byte*)panels.Values, panels.ValueStride, state.Sum, padded, rows, count, padded, accumulate: true, afterValues);
    }

    /// <summary>Turns a row's 64 scores into weights e^(score − maximum) and brings its state to the new maximum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Weigh(float* scores, int visible, AttentionState state, int row, int paddedDim)
    {
        for (int i = visible; i < BlockKeys; i++)
        {
            scores[i] = float.NegativeInfinity;
        }
        Vector512<float> s0 = Vector512.Load(scores);
        Vector512<float> s1 = Vector512.Load(scores + 16);
        Vector512<float> s2 = Vector512.Load(scores + 32);
        Vector512<float> s3 = Vector512.Load(scores + 48);
        float old = state.Maximum[row];
        float maximum = MathF.Max(old, MaxAcross(Vector512.Max(Vector512.Max(s0, s1), Vector512.Max(s2, s3))));
        Vector512<float> reference = Vector512.Create(maximum == float.NegativeInfinity ? 0f : maximum);
        s0 = VectorMath.Exp(s0 - reference);
        s1 = VectorMath.Exp(s1 - reference);
        s2 = VectorMath.Exp(s2 - reference);
        s3 = VectorMath.Exp(s3 - reference);
        s0.Store(scores);
        s1.Store(scores + 16);
        s2.Store(scores + 32);
        s3.Store(scores + 48);
        float weight = Vector512.Sum((s0 + s1) + (s2 + s3));
        if (maximum == old)
        {
            state.Weight[row] += weight;
            return;
        }
        float correction = VectorMath.Exp(old - reference.ToScalar());
        state.Maximum[row] = maximum;
        state.Weight[row] = state.Weight[row] * correction + weight;
        float* sum = state.Sum + (long)row * paddedDim;
        for (int c = 0; c < paddedDim; c += Vector512<float>.Count)
        {
            (Vector512.Load(sum + c) * correction).Store(sum + c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float MaxAcross(Vector512<float> x)
    {
        Vector256<float> half = Vector256.Max(x.GetLower(), x.GetUpper());
        Vector128<float> quarter = Vector128.Max(half.GetLower(), half.GetUpper());
        return MathF.Max(MathF.Max(quarter[0], quarter[1]), MathF.Max(quarter[2], quarter[3]));
    }
}
