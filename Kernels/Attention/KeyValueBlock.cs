using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>Brings a block of cached keys and values from their pages into float32 panels.</summary>
internal static unsafe class KeyValueBlock
{
    /// <summary>
    /// Keys [d, 64] transposed, values [64, padded] with zeroed padding, for positions first … first + count − 1. Columns of
    /// keys beyond the count are zero.
    /// </summary>
    public static void Load(in AttentionPlan plan, nint pageTable, int kvHead, int first, int count, float* keys, float* values)
    {
        int dim = plan.HeadDim;
        int padded = plan.PaddedDim;
        if (count < AttentionCore.BlockKeys)
        {
            new Span<float>(keys, dim * AttentionCore.BlockKeys).Clear();
        }
        long head = kvHead * plan.HeadStride;
        for (int i = 0; i < count; i++)
        {
            int position = first + i;
            nint page = ((nint*)pageTable)[position / plan.PageTokens];
            long offset = head + position % plan.PageTokens * plan.TokenStride;
            float* valueRow = values + (long)i * padded;
            if (plan.IsBf16)
            {
                ushort* key = (ushort*)page + plan.KeyOffset + offset;
                ushort* value = (ushort*)page + plan.ValueOffset + offset;
                for (int c = 0; c < dim; c++)
                {
                    keys[c * AttentionCore.BlockKeys + i] = Bf16.ToSingle(key[c]);
                    valueRow[c] = Bf16.ToSingle(value[c]);
                }
            }
            else
            {
                float* key = (float*)page + plan.KeyOffset + offset;
                for (int c = 0; c < dim; c++)
                {
                    keys[c * AttentionCore.BlockKeys + i] = key[c];
                }
                new ReadOnlySpan<float>((float*)page + plan.ValueOffset + offset, dim).CopyTo(new Span<float>(valueRow, dim));
            }
            new Span<float>(valueRow + dim, padded - dim).Clear();
        }
    }
}
