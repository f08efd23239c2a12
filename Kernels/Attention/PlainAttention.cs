using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Activation;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Attention over float32 keys and values. Keys are taken in blocks of 64 and splits of 512, counted from position 0, whatever
/// the tile: a row meets the same operations in the same order if it is decoded alone or prefilled with others, so the results
/// agree to the bit. Keys a row may not see get weight exactly 0, and what has weight 0 leaves a state unchanged.
/// </summary>
internal readonly unsafe struct PlainAttention : IAttentionForm
{
    /// <summary>Keys of a block: four vectors of scores.</summary>
    public const int BlockKeys = 64;

    /// <summary>Query rows a tile aims for: enough to pay for transposing the keys, few enough for the second-level cache.</summary>
    private const int TargetRows = 64;

    private const int Keys = 512;

    public static int TileTokens(int group) => Math.Max(1, TargetRows / group);

    public static int SplitKeys(in AttentionPlan plan) => Keys;

    // Queries [rows, padded], scores [rows, 64], transposed keys [d, 64], values [64, padded].
    public static long WorkFloats(in AttentionPlan plan) => (long)plan.TileRows * (plan.PaddedDim + BlockKeys) + 2L * BlockKeys * plan.PaddedDim;

    /// <summary>Copies the queries of a tile to [token · group + head, padded], multiplied by 1/√d.</summary>
    public static void LoadQueries(in AttentionPlan plan, in AttentionTile tile, int kvHead, float* work)
    {
        float scale = plan.Scale;
        for (int token = 0; token < tile.Tokens; token++)
        {
            float* source = plan.Query(tile.Row + token, kvHead);
            for (int head = 0; head < plan.Group; head++)
            {
                AttentionState.Scale(source, scale, work, plan.HeadDim);
                source += plan.HeadDim;
                work += plan.PaddedDim;
            }
        }
    }

    public static void Split(in AttentionPlan plan, in AttentionTile tile, int kvHead, int split, float* work, AttentionState state, byte* next)
    {
        int rows = tile.Tokens * plan.Group;
        int padded = plan.PaddedDim;
        float* scores = work + (long)plan.TileRows * padded;
        float* keys = scores + (long)plan.TileRows * BlockKeys;
        float* values = keys + (long)BlockKeys * padded;
        state.Clear(rows, padded);
        int end = (int)Math.Min(tile.KeyCount, (split + 1L) * Keys);
        for (int block = split * Keys; block < end; block += BlockKeys)
        {
            int count = Math.Min(BlockKeys, end - block);
            float* after = KeyValueBlock.StoredKeys(plan, tile.Table, kvHead, block + BlockKeys, end);
            after = after == null ? (float*)next : after;
            KeyValuePanels panels = KeyValueBlock.Get(plan, tile.Table, kvHead, block, count, keys, values);
            Block(plan, tile, panels, block, count, work, scores, state, after);
        }
    }

    public static byte* FirstKeys(in AttentionPlan plan, in AttentionTile tile, int kvHead) => (byte*)KeyValueBlock.StoredKeys(plan, tile.Table, kvHead, 0, 1);

    /// <summary>Adds a block to a state; what is read next is asked for while keys and values go by.</summary>
    private static void Block(
        in AttentionPlan plan, in AttentionTile tile, in KeyValuePanels panels, int block, int count, float* queries, float* scores, AttentionState state, float* after)
    {
        int rows = tile.Tokens * plan.Group;
        int padded = plan.PaddedDim;
        PanelProduct.Run(queries, padded, (float*)panels.Keys, panels.KeyStride, scores, BlockKeys, rows, plan.HeadDim, BlockKeys, accumulate: false, panels.AreStored ? (float*)panels.Values : null);
        for (int row = 0; row < rows; row++)
        {
            int visible = tile.Visible(row / plan.Group) - block;
            Weigh(scores + row * BlockKeys, Math.Clamp(visible, 0, count), state, row, padded);
        }
        PanelProduct.Run(scores, BlockKeys, (float*)panels.Values, panels.ValueStride, state.Sum, padded, rows, count, padded, accumulate: true, after);
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
