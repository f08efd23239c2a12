using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>A block of keys [d, 64] (position is the fast axis) and values [64, padded], ready for products.</summary>
/// <param name="AreStored">They lie in the cache; otherwise in scratch.</param>
/// <param name="Keys">Key panel.</param>
/// <param name="KeyStride">Elements between components.</param>
/// <param name="Values">Value panel.</param>
/// <param name="ValueStride">Elements between positions.</param>
internal readonly record struct KeyValuePanels(bool AreStored, nint Keys, int KeyStride, nint Values, int ValueStride);

/// <summary>
/// Finds 64 float32 keys and values in the cache's blocks. Those of one block already have the panels' form and are used where
/// they lie; keys that lie in several blocks are copied into scratch. Key columns beyond the count hold anything: their scores
/// are masked.
/// </summary>
internal static unsafe class KeyValueBlock
{
    /// <summary>The panels of positions first … first + count − 1; scratch holds what must be copied.</summary>
    public static KeyValuePanels Get(in AttentionPlan plan, nint table, int kvHead, int first, int count, float* keys, float* values)
    {
        int slot = first % plan.BlockTokens;
        bool inOneBlock = slot + PlainAttention.BlockKeys <= plan.BlockTokens;
        if (inOneBlock && plan.KeyTokenStride == 1 && plan.HeadDim == plan.PaddedDim)
        {
            byte* block = plan.Block(table, first);
            return new KeyValuePanels(
                true, (nint)Keys(plan, block, kvHead, slot), checked((int)plan.KeyDimStride), (nint)Values(plan, block, kvHead, slot), checked((int)plan.ValueTokenStride));
        }
        for (int done = 0; done < count;)
        {
            int run = Math.Min(count - done, plan.BlockTokens - (first + done) % plan.BlockTokens);
            CopyRun(plan, plan.Block(table, first + done), kvHead, (first + done) % plan.BlockTokens, run, keys + done, values + (long)done * plan.PaddedDim);
            done += run;
        }
        return new KeyValuePanels(false, (nint)keys, PlainAttention.BlockKeys, (nint)values, plan.PaddedDim);
    }

    /// <summary>Where the keys of a position's block lie; null if it is not before <paramref name="end"/>.</summary>
    public static float* StoredKeys(in AttentionPlan plan, nint table, int kvHead, int position, int end) =>
        position < end ? Keys(plan, plan.Block(table, position), kvHead, position % plan.BlockTokens) : null;

    private static float* Keys(in AttentionPlan plan, byte* block, int kvHead, int slot) => (float*)block + plan.KeyOffset + kvHead * plan.HeadStride + slot * plan.KeyTokenStride;

    private static float* Values(in AttentionPlan plan, byte* block, int kvHead, int slot) => (float*)block + plan.ValueOffset + kvHead * plan.HeadStride + slot * plan.ValueTokenStride;

    private static void CopyRun(in AttentionPlan plan, byte* block, int kvHead, int slot, int run, float* keys, float* values)
    {
        float* storedKeys = Keys(plan, block, kvHead, slot), storedValues = Values(plan, block, kvHead, slot);
        if (plan.KeyTokenStride == 1)
        {
            for (int c = 0; c < plan.HeadDim; c++)
            {
                new ReadOnlySpan<float>(storedKeys + c * plan.KeyDimStride, run).CopyTo(new Span<float>(keys + c * PlainAttention.BlockKeys, run));
            }
        }
        else
        {
            Transpose(storedKeys, plan.KeyTokenStride, run, keys, plan.HeadDim);
        }
        for (int i = 0; i < run; i++, values += plan.PaddedDim)
        {
            new ReadOnlySpan<float>(storedValues + i * plan.ValueTokenStride, plan.HeadDim).CopyTo(new Span<float>(values, plan.HeadDim));
            new Span<float>(values + plan.HeadDim, plan.PaddedDim - plan.HeadDim).Clear();
        }
    }

    /// <summary>
    /// Rows of components (far apart) to rows of positions. Sixteen positions at a time, so that each written cache line is
    /// complete before the next one is begun.
    /// </summary>
    private static void Transpose(float* from, long stride, int positions, float* to, int dim)
    {
        int i = 0;
        for (; i <= positions - 16; i += 16, from += 16 * stride)
        {
            for (int c = 0; c < dim; c++)
            {
                float* at = from + c;
                Vector512.Create(
                    at[0], at[stride], at[2 * stride], at[3 * stride], at[4 * stride], at[5 * stride], at[6 * stride], at[7 * stride],
                    at[8 * stride], at[9 * stride], at[10 * stride], at[11 * stride], at[12 * stride], at[13 * stride], at[14 * stride], at[15 * stride])
                    .Store(to + c * PlainAttention.BlockKeys + i);
            }
        }
        for (; i < positions; i++, from += stride)
        {
            for (int c = 0; c < dim; c++)
            {
                to[c * PlainAttention.BlockKeys + i] = from[c];
            }
        }
    }
}
