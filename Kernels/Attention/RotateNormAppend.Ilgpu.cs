using ILGPU;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>Rotation, head norm, query temperature and the cache write on the device; see <see cref="PagedAttentionIlgpu"/> for the buffers.</summary>
public static class RotateNormAppendIlgpu
{
    /// <summary>
    /// Group (row, head): rotates the adjacent pairs of qkv [rows, columns], heads of headDim from the start of each row, by
    /// angles [tokens, headDim] of row modulo tokens.
    /// </summary>
    public static void Rotate(ArrayView<float> qkv, ArrayView<float> angles, int tokens, int columns, int headDim)
    {
        long at = (long)Grid.IdxX * columns + Grid.IdxY * headDim;
        long angle = (long)(Grid.IdxX % tokens) * headDim;
        for (int c = 2 * Group.IdxX; c < headDim; c += 2 * Group.DimX)
        {
            RotatePair(qkv, at + c, angles, angle + c);
        }
    }

    private static void RotatePair(ArrayView<float> x, long at, ArrayView<float> angles, long angle)
    {
        float a = x[at];
        float b = x[at + 1];
        float cos = angles[angle];
        float sin = angles[angle + 1];
        x[at] = a * cos - b * sin;
        x[at + 1] = a * sin + b * cos;
    }

    /// <summary>
    /// Group (row, head of query, key or value): qkv [T, (H+2K)·d] in place; angles [T, d] and queryScales [T] may be empty; a
    /// negative eps means no norm. A row with a negative position is left alone.
    /// </summary>
    public static void Append<T, TEncoder>(ArrayView<float> qkv, ArrayView<float> angles, ArrayView<float> queryScales, ArrayView<T> pool, ArrayView<int> tables, ArrayView<int> starts, ArrayView<int> positions, int heads, int kvHeads, int headDim, int blockTokens, long blockStride, long headStride, long keyToken, long keyDim, long valueOffset, long valueToken, float eps)
        where T : unmanaged
        where TEncoder : struct, IEncoder<T>
    {
        ArrayView<float> scratch = SharedMemory.Allocate<float>(GroupReduce.MaxThreads);
        long row = Grid.IdxX;
        int head = Grid.IdxY;
        int position = positions[row];
        if (position < 0)
        {
            return;
        }
        long at = row * ((long)(heads + 2 * kvHeads) * headDim) + (long)head * headDim;
        bool isValue = head >= heads + kvHeads;
        // A thread keeps to its pairs, so what it rotated it may scale without a barrier.
        if (!isValue && angles.Length > 0)
        {
            for (int c = 2 * Group.IdxX; c < headDim; c += 2 * Group.DimX)
            {
                RotatePair(qkv, at + c, angles, row * headDim + c);
            }
        }
        float factor = 1f;
        if (!isValue && eps >= 0f)
        {
            float squares = 0f;
            for (int c = 2 * Group.IdxX; c < headDim; c += 2 * Group.DimX)
            {
                float a = qkv[at + c];
                float b = c + 1 < headDim ? qkv[at + c + 1] : 0f;
                squares += a * a + b * b;
            }
            factor = 1f / MathF.Sqrt(GroupReduce.Sum(squares, scratch) / headDim + eps);
        }
        if (head < heads && queryScales.Length > 0)
        {
            factor *= queryScales[row];
        }
        int slot = position % blockTokens;
        long block = tables[starts[row] + position / blockTokens] * blockStride;
        long store = isValue
            ? block + valueOffset + (head - heads - kvHeads) * headStride + slot * valueToken
            : block + (head - heads) * headStride + slot * keyToken;
        long stride = isValue ? 1 : keyDim;
        TEncoder encoder = default;
        for (int c = 2 * Group.IdxX; c < headDim; c += 2 * Group.DimX)
        {
            for (int part = c; part < c + 2 && part < headDim; part++)
            {
                float value = qkv[at + part];
                if (!isValue)
                {
                    value *= factor;
                    qkv[at + part] = value;
                }
                if (head >= heads)
                {
                    pool[store + part * stride] = encoder.Encode(value);
                }
            }
        }
    }
}
