using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>A block of keys [d, 64] (position is the fast axis) and values [64, padded] as float32, ready for products.</summary>
/// <param name="Keys">Key panel.</param>
/// <param name="KeyStride">Floats between components.</param>
/// <param name="Values">Value panel.</param>
/// <param name="ValueStride">Floats between positions.</param>
internal readonly unsafe record struct KeyValuePanels(nint Keys, int KeyStride, nint Values, int ValueStride);

/// <summary>
/// Finds a block of cached keys and values in its pages. float32 pages already have the panels' form and are used where
/// they lie; bfloat16 and blocks that cross pages are widened or copied. Key columns beyond the count hold anything: their
/// scores are masked.
/// </summary>
internal static unsafe class KeyValueBlock
{
    private const int PrefetchBytes = 16 << 10;

    /// <summary>The panels of positions first … first + count − 1; scratch holds what must be copied.</summary>
    public static KeyValuePanels Get(in AttentionPlan plan, nint pageTable, int kvHead, int first, int count, float* keys, float* values)
    {
        int slot = first % plan.PageTokens;
        nint page = ((nint*)pageTable)[first / plan.PageTokens];
        bool inOnePage = slot + AttentionCore.BlockKeys <= plan.PageTokens;
        if (inOnePage && !plan.IsBf16 && plan.KeyTokenStride == 1 && plan.HeadDim == plan.PaddedDim)
        {
            float* start = (float*)page + kvHead * plan.HeadStride;
            return new KeyValuePanels(
                (nint)(start + plan.KeyOffset + slot), checked((int)plan.KeyDimStride),
                (nint)(start + plan.ValueOffset + slot * plan.ValueTokenStride), checked((int)plan.ValueTokenStride));
        }
        for (int done = 0; done < count;)
        {
            int run = Math.Min(count - done, plan.PageTokens - (first + done) % plan.PageTokens);
            CopyRun(plan, ((nint*)pageTable)[(first + done) / plan.PageTokens], kvHead, (first + done) % plan.PageTokens, run, keys + done, values + (long)done * plan.PaddedDim);
            done += run;
        }
        return new KeyValuePanels((nint)keys, AttentionCore.BlockKeys, (nint)values, plan.PaddedDim);
    }

    /// <summary>
    /// Asks for the beginnings of the next block's keys and values: blocks lie on pages of their own, so that no hardware
    /// prefetcher sees the way from one to the next.
    /// </summary>
    public static void Prefetch(in AttentionPlan plan, nint pageTable, int kvHead, int first, int end)
    {
        if (first >= end || plan.KeyTokenStride != 1 || !Sse.IsSupported)
        {
            return;
        }
        int size = plan.IsBf16 ? sizeof(ushort) : sizeof(float);
        byte* page = (byte*)((nint*)pageTable)[first / plan.PageTokens];
        byte* keys = page + (plan.KeyOffset + kvHead * plan.HeadStride) * size;
        byte* values = page + (plan.ValueOffset + kvHead * plan.HeadStride + first % plan.PageTokens * plan.ValueTokenStride) * size;
        int bytes = (int)Math.Min(PrefetchBytes, (long)AttentionCore.BlockKeys * plan.HeadDim * size);
        for (int at = 0; at < bytes; at += 64)
        {
            Sse.Prefetch1(keys + at);
            Sse.Prefetch1(values + at);
        }
    }

    private static void CopyRun(in AttentionPlan plan, nint page, int kvHead, int slot, int run, float* keys, float* values)
    {
        long key = plan.KeyOffset + kvHead * plan.HeadStride + slot * plan.KeyTokenStride;
        long value = plan.ValueOffset + kvHead * plan.HeadStride + slot * plan.ValueTokenStride;
        if (plan.KeyTokenStride == 1)
        {
            for (int c = 0; c < plan.HeadDim; c++)
            {
                Row(plan, page, key + c * plan.KeyDimStride, keys + c * AttentionCore.BlockKeys, run);
            }
        }
        else
        {
            Transpose((float*)page + key, plan.KeyTokenStride, run, keys, plan.HeadDim);
        }
        for (int i = 0; i < run; i++, values += plan.PaddedDim)
        {
            Row(plan, page, value + i * plan.ValueTokenStride, values, plan.HeadDim);
            new Span<float>(values + plan.HeadDim, plan.PaddedDim - plan.HeadDim).Clear();
        }
    }

    private static void Row(in AttentionPlan plan, nint page, long offset, float* to, int count)
    {
        if (plan.IsBf16)
        {
            Widen((ushort*)page + offset, to, count);
        }
        else
        {
            new ReadOnlySpan<float>((float*)page + offset, count).CopyTo(new Span<float>(to, count));
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

    private static void Widen(ushort* from, float* to, int count)
    {
        int i = 0;
        for (; i <= count - 32; i += 32)
        {
            (Vector512<uint> low, Vector512<uint> high) = Vector512.Widen(Vector512.Load(from + i));
            (low << 16).AsSingle().Store(to + i);
            (high << 16).AsSingle().Store(to + i + 16);
        }
        for (; i < count; i++)
        {
            to[i] = Bf16.ToSingle(from[i]);
        }
    }
}
