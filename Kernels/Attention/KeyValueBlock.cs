using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>A block of keys [d, 64] (position is the fast axis) and values [64, padded] as float32, ready for products.</summary>
/// <param name="Keys">Key panel.</param>
/// <param name="KeyStride">Floats between components.</param>
/// <param name="Values">Value panel.</param>
/// <param name="ValueStride">Floats between positions.</param>
internal readonly unsafe record struct KeyValuePanels(nint Keys, int KeyStride, nint Values, int ValueStride);

/// <summary>
/// Finds 64 keys and values in the cache's blocks. Plain float32 blocks already have the panels' form and are used where they
/// lie; other formats, and keys that lie in several blocks, are decoded into scratch. Key columns beyond the count hold
/// anything: their scores are masked.
/// </summary>
internal static unsafe class KeyValueBlock
{
    private const int PrefetchBytes = 16 << 10;

    /// <summary>The panels of positions first … first + count − 1; scratch holds what must be copied.</summary>
    public static KeyValuePanels Get<TCodec>(in AttentionPlan plan, nint table, int kvHead, int first, int count, float* keys, float* values)
        where TCodec : struct, IKvCodec
    {
        int slot = first % plan.BlockTokens;
        bool inOneBlock = slot + AttentionCore.BlockKeys <= plan.BlockTokens;
        if (TCodec.IsPlain && inOneBlock && plan.KeyTokenStride == 1 && plan.HeadDim == plan.PaddedDim)
        {
            float* start = (float*)plan.Block(table, first) + kvHead * plan.HeadStride;
            return new KeyValuePanels(
                (nint)(start + plan.KeyOffset + slot), checked((int)plan.KeyDimStride),
                (nint)(start + plan.ValueOffset + slot * plan.ValueTokenStride), checked((int)plan.ValueTokenStride));
        }
        for (int done = 0; done < count;)
        {
            int run = Math.Min(count - done, plan.BlockTokens - (first + done) % plan.BlockTokens);
            CopyRun<TCodec>(plan, plan.Block(table, first + done), kvHead, (first + done) % plan.BlockTokens, run, keys + done, values + (long)done * plan.PaddedDim);
            done += run;
        }
        return new KeyValuePanels((nint)keys, AttentionCore.BlockKeys, (nint)values, plan.PaddedDim);
    }

    /// <summary>
    /// Asks for the beginnings of the next keys and values: blocks lie anywhere, so that no hardware prefetcher sees the way
    /// from one to the next.
    /// </summary>
    public static void Prefetch<TCodec>(in AttentionPlan plan, nint table, int kvHead, int first, int end)
        where TCodec : struct, IKvCodec
    {
        if (first >= end || plan.KeyTokenStride != 1 || !Sse.IsSupported)
        {
            return;
        }
        byte* block = plan.Block(table, first);
        byte* keys = block + (plan.KeyOffset + kvHead * plan.HeadStride) * TCodec.Bytes;
        byte* values = block + (plan.ValueOffset + kvHead * plan.HeadStride + first % plan.BlockTokens * plan.ValueTokenStride) * TCodec.Bytes;
        int bytes = (int)Math.Min(PrefetchBytes, (long)AttentionCore.BlockKeys * plan.HeadDim * TCodec.Bytes);
        for (int at = 0; at < bytes; at += 64)
        {
            Sse.Prefetch1(keys + at);
            Sse.Prefetch1(values + at);
        }
    }

    private static void CopyRun<TCodec>(in AttentionPlan plan, byte* block, int kvHead, int slot, int run, float* keys, float* values)
        where TCodec : struct, IKvCodec
    {
        long key = plan.KeyOffset + kvHead * plan.HeadStride + slot * plan.KeyTokenStride;
        long value = plan.ValueOffset + kvHead * plan.HeadStride + slot * plan.ValueTokenStride;
        if (plan.KeyTokenStride == 1)
        {
            for (int c = 0; c < plan.HeadDim; c++)
            {
                TCodec.Decode(block + (key + c * plan.KeyDimStride) * TCodec.Bytes, keys + c * AttentionCore.BlockKeys, run);
            }
        }
        else
        {
            Transpose((float*)block + key, plan.KeyTokenStride, run, keys, plan.HeadDim);
        }
        for (int i = 0; i < run; i++, values += plan.PaddedDim)
        {
            TCodec.Decode(block + (value + i * plan.ValueTokenStride) * TCodec.Bytes, values, plan.HeadDim);
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
