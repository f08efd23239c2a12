using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>A block of keys [d, 64] (position is the fast axis) and values [64, padded], ready for products.</summary>
/// <param name="AreStored">They lie in the cache, in its format; otherwise in scratch, as float32.</param>
/// <param name="Keys">Key panel.</param>
/// <param name="KeyStride">Elements between components.</param>
/// <param name="Values">Value panel.</param>
/// <param name="ValueStride">Elements between positions.</param>
internal readonly record struct KeyValuePanels(bool AreStored, nint Keys, int KeyStride, nint Values, int ValueStride);

/// <summary>
/// Finds 64 keys and values in the cache's blocks. Those of one block already have the panels' form and are used where they lie:
/// plain float32 always, other formats for few rows, which widen them on the way. For many rows they are decoded into scratch
/// once, and so are keys that lie in several blocks. Key columns beyond the count hold anything: their scores are masked.
/// </summary>
internal static unsafe class KeyValueBlock
{
    /// <summary>Rows up to which widening an element for each four of them costs less than a pass through scratch.</summary>
    private const int FewRows = 8;

    /// <summary>Columns that are decoded together: two vectors of any format.</summary>
    private const int DecodedColumns = 32;

    /// <summary>The panels of positions first … first + count − 1 for products of so many rows; scratch holds what must be copied.</summary>
    public static KeyValuePanels Get<TCodec>(in AttentionPlan plan, nint table, int kvHead, int first, int count, int rows, float* keys, float* values)
        where TCodec : struct, IKvCodec
    {
        int slot = first % plan.BlockTokens;
        bool inOneBlock = slot + AttentionCore.BlockKeys <= plan.BlockTokens;
        if ((TCodec.IsPlain || rows <= FewRows) && inOneBlock && plan.KeyTokenStride == 1 && plan.HeadDim == plan.PaddedDim)
        {
            byte* block = plan.Block(table, first);
            return new KeyValuePanels(
                true, (nint)Keys<TCodec>(plan, block, kvHead, slot), checked((int)plan.KeyDimStride), (nint)Values<TCodec>(plan, block, kvHead, slot), checked((int)plan.ValueTokenStride));
        }
        for (int done = 0; done < count;)
        {
            int run = Math.Min(count - done, plan.BlockTokens - (first + done) % plan.BlockTokens);
            CopyRun<TCodec>(plan, plan.Block(table, first + done), kvHead, (first + done) % plan.BlockTokens, run, AttentionCore.BlockKeys - done, keys + done, values + (long)done * plan.PaddedDim);
            done += run;
        }
        return new KeyValuePanels(false, (nint)keys, AttentionCore.BlockKeys, (nint)values, plan.PaddedDim);
    }

    /// <summary>Where the keys of a position's block lie; null if it is not before <paramref name="end"/>.</summary>
    public static byte* StoredKeys<TCodec>(in AttentionPlan plan, nint table, int kvHead, int position, int end)
        where TCodec : struct, IKvCodec => position < end ? Keys<TCodec>(plan, plan.Block(table, position), kvHead, position % plan.BlockTokens) : null;

    private static byte* Keys<TCodec>(in AttentionPlan plan, byte* block, int kvHead, int slot)
        where TCodec : struct, IKvCodec => block + (plan.KeyOffset + kvHead * plan.HeadStride + slot * plan.KeyTokenStride) * TCodec.Bytes;

    private static byte* Values<TCodec>(in AttentionPlan plan, byte* block, int kvHead, int slot)
        where TCodec : struct, IKvCodec => block + (plan.ValueOffset + kvHead * plan.HeadStride + slot * plan.ValueTokenStride) * TCodec.Bytes;

    private static void CopyRun<TCodec>(in AttentionPlan plan, byte* block, int kvHead, int slot, int run, int room, float* keys, float* values)
        where TCodec : struct, IKvCodec
    {
        byte* storedKeys = Keys<TCodec>(plan, block, kvHead, slot), storedValues = Values<TCodec>(plan, block, kvHead, slot);
        if (plan.KeyTokenStride == 1)
        {
            // Whole vectors, where the block and the panel have so many columns.
            int columns = Math.Min((run + DecodedColumns - 1) / DecodedColumns * DecodedColumns, Math.Min(plan.BlockTokens - slot, room));
            for (int c = 0; c < plan.HeadDim; c++)
            {
                TCodec.Decode(storedKeys + c * plan.KeyDimStride * TCodec.Bytes, keys + c * AttentionCore.BlockKeys, columns);
            }
        }
        else
        {
            Transpose((float*)storedKeys, plan.KeyTokenStride, run, keys, plan.HeadDim);
        }
        for (int i = 0; i < run; i++, values += plan.PaddedDim)
        {
            TCodec.Decode(storedValues + i * plan.ValueTokenStride * TCodec.Bytes, values, plan.HeadDim);
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
                    .Store(to + c * AttentionCore.BlockKeys + i);
            }
        }
        for (; i < positions; i++, from += stride)
        {
            for (int c = 0; c < dim; c++)
            {
                to[c * AttentionCore.BlockKeys + i] = from[c];
            }
        }
    }
}
