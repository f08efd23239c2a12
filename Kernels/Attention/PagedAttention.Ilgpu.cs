using ILGPU;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Causal attention over a paged cache on the device. tables[starts[row] + i] is the i-th block of a row's sequence, which lies
/// so many times blockStride elements from the pool's start. positions [T] are local; a row sees keys 0 … its position. Where
/// keys and values lie in a block is KvLayout's, in elements.
/// <para>
/// A row's keys are cut into splits, from the first key on and of a length that depends on their number alone (<see cref="SplitLength"/>); each
/// is attended to by itself and they are folded in their order, in the kernels for many rows of a sequence as in those for one. So what a row
/// gives depends on its own keys alone, bit for bit.
/// </para>
/// </summary>
public static class PagedAttentionIlgpu
{
    private const int FoldStates = 4;

    /// <summary>Group (row, query head): folds the splits of <see cref="Split"/> in their order. output [T, H·d].</summary>
    public static void Combine(ArrayView<float> sums, ArrayView<float> stats, ArrayView<int> positions, ArrayView<float> output, int headDim, int splitKeys, int maxSplits)
    {
        long row = Grid.IdxX;
        int position = positions[row];
        if (position < 0)
        {
            return;
        }
        int length = SplitLength(position + 1, splitKeys, maxSplits);
        int splits = position / length + 1;
        long vector = row * Grid.DimY + Grid.IdxY;
        long at = vector * maxSplits;
        for (int c = Group.IdxX; c < headDim; c += Group.DimX)
        {
            float maximum = float.NegativeInfinity, weight = 0f, sum = 0f;
            for (int split = 0; split < splits; split++)
            {
                float other = stats[2 * (at + split)];
                float factor = FoldFactor(maximum, other);
                bool isLarger = other > maximum;
                weight = Fold(weight, stats[2 * (at + split) + 1], factor, isLarger);
                sum = Fold(sum, sums[(at + split) * headDim + c], factor, isLarger);
                maximum = GroupReduce.Larger(maximum, other);
            }
            output[vector * headDim + c] = sum / weight;
        }
    }

    /// <summary>Keys of a split: as many as are worth a group, doubled until the splits there are hold a row's keys. So it changes at multiples of the fewest only.</summary>
    private static int SplitLength(int keys, int fewest, int splits)
    {
        int share = (keys + splits - 1) / splits;
        int length = fewest;
        while (length < share)
        {
            length += length;
        }
        return length;
    }

    /// <summary>e to the smaller minus the larger maximum: what sums below the smaller one are multiplied by. NaN if there is none.</summary>
    private static float FoldFactor(float maximum, float other) => DeviceMath.Exp(other > maximum ? maximum - other : other - maximum);

    /// <summary>The sum of two parts; the one with the smaller maximum is multiplied. One product and one sum, which an assembler may fuse in one way only.</summary>
    private static float Fold(float sum, float other, float factor, bool isLarger) => isLarger ? other + sum * factor : sum + other * factor;

    /// <summary>
    /// Group (tile, key/value head, octet): tiles [n, 2] are pairs (first row, rows ≤ 8) of one sequence; the query vectors of
    /// a tile, tokens times heads of the key/value head, are taken eight a group. output [T, H·d]. All rows of a tile end within the same
    /// splitKeys keys, so that each sees a key of every split.
    /// </summary>
    public static void Prefill<T, TDecoder>(ArrayView<float> qkv, ArrayView<T> pool, ArrayView<int> tables, ArrayView<int> starts, ArrayView<int> positions, ArrayView<int> tiles, ArrayView<float> output, int heads, int kvHeads, int headDim, int blockTokens, long blockStride, long headStride, long keyToken, long keyDim, long valueOffset, long valueToken, int splitKeys, int maxSplits)
        where T : unmanaged
        where TDecoder : struct, IDecoder<T>
    {
        ArrayView<Float4> queries = SharedMemory.Allocate<Float4>(2 * OctetAttention.MaxDim);
        ArrayView<int> limits = SharedMemory.Allocate<int>(OctetAttention.Rows);
        ArrayView<Float4> state = SharedMemory.Allocate<Float4>(6);
        int firstRow = tiles[2 * Grid.IdxX];
        int group = heads / kvHeads;
        int kvHead = Grid.IdxY;
        int vector = OctetAttention.Rows * Grid.IdxZ;
        int vectors = tiles[2 * Grid.IdxX + 1] * group - vector;
        vectors = vectors < OctetAttention.Rows ? vectors : OctetAttention.Rows;
        if (vectors <= 0)
        {
            return;
        }
        long columns = (long)(heads + 2 * kvHeads) * headDim;
        int end = positions[firstRow + (vector + vectors - 1) / group] + 1;
        ArrayView<float> query = queries.Cast<float>();
        float scale = 1f / MathF.Sqrt(headDim);
        for (int i = 0; i < OctetAttention.Rows; i++)
        {
            // A missing vector is zero, sees everything and is not stored.
            int row = firstRow + (vector + i) / group;
            long at = row * columns + (kvHead * group + (vector + i) % group) * headDim;
            for (int c = Group.IdxX; c < headDim; c += Group.DimX)
            {
                query[c * OctetAttention.Rows + i] = i < vectors ? qkv[at + c] * scale : 0f;
            }
            if (Group.IdxX == 0)
            {
                limits[i] = i < vectors ? positions[row] + 1 : end;
            }
        }
        Group.Barrier();
        var place = new KeyValuePlace(starts[firstRow], kvHead, blockTokens, blockStride, headStride, keyToken, keyDim, valueOffset, valueToken);
        ArrayView<float> totals = SharedMemory.Allocate<float>(FoldStates * OctetAttention.Rows);
        for (int i = Group.IdxX; i < 2 * OctetAttention.Rows; i += Group.DimX)
        {
            totals[i] = i < OctetAttention.Rows ? float.NegativeInfinity : 0f;
        }
        int length = SplitLength(end, splitKeys, maxSplits);
        Float4 low = default, high = default;
        for (int begin = 0; begin < end; begin += length)
        {
            OctetAttention.Run<T, TDecoder>(pool, tables, 0, place, queries, limits, state.Cast<float>(), headDim, begin, end - begin < length ? end : begin + length, out Float4 partLow, out Float4 partHigh);
            FoldStatesOf(totals, state.Cast<float>());
            Group.Barrier();
            low = FoldRows(low, partLow, totals, 0);
            high = FoldRows(high, partHigh, totals, OctetAttention.Rows / 2);
            // No barrier: a thread resets just the states that it read, and there is one in Run before totals are written again.
        }
        if (Group.IdxX < headDim)
        {
            Store(output, firstRow, vector, vectors, 0, group, kvHead, heads, headDim, low.A / totals[OctetAttention.Rows]);
            Store(output, firstRow, vector, vectors, 1, group, kvHead, heads, headDim, low.B / totals[OctetAttention.Rows + 1]);
            Store(output, firstRow, vector, vectors, 2, group, kvHead, heads, headDim, low.C / totals[OctetAttention.Rows + 2]);
            Store(output, firstRow, vector, vectors, 3, group, kvHead, heads, headDim, low.D / totals[OctetAttention.Rows + 3]);
            Store(output, firstRow, vector, vectors, 4, group, kvHead, heads, headDim, high.A / totals[OctetAttention.Rows + 4]);
            Store(output, firstRow, vector, vectors, 5, group, kvHead, heads, headDim, high.B / totals[OctetAttention.Rows + 5]);
            Store(output, firstRow, vector, vectors, 6, group, kvHead, heads, headDim, high.C / totals[OctetAttention.Rows + 6]);
            Store(output, firstRow, vector, vectors, 7, group, kvHead, heads, headDim, high.D / totals[OctetAttention.Rows + 7]);
        }
    }

    /// <summary>Folds maxima and weights of eight vectors into the totals [4, 8], and leaves there the factor and whether the new maximum is larger. A thread works on a vector.</summary>
    private static void FoldStatesOf(ArrayView<float> totals, ArrayView<float> state)
    {
        for (int i = Group.IdxX; i < OctetAttention.Rows; i += Group.DimX)
        {
            float maximum = totals[i], other = state[i];
            float factor = FoldFactor(maximum, other);
            bool isLarger = other > maximum;
            totals[OctetAttention.Rows + i] = Fold(totals[OctetAttention.Rows + i], state[OctetAttention.Rows + i], factor, isLarger);
            totals[i] = GroupReduce.Larger(maximum, other);
            totals[2 * OctetAttention.Rows + i] = factor;
            totals[3 * OctetAttention.Rows + i] = isLarger ? 1f : 0f;
        }
    }

    /// <summary>Folds a column of four vectors.</summary>
    private static Float4 FoldRows(Float4 sums, Float4 part, ArrayView<float> totals, int first)
    {
        int at = 2 * OctetAttention.Rows + first, larger = 3 * OctetAttention.Rows + first;
        return new Float4(
            Fold(sums.A, part.A, totals[at], totals[larger] > 0f), Fold(sums.B, part.B, totals[at + 1], totals[larger + 1] > 0f),
            Fold(sums.C, part.C, totals[at + 2], totals[larger + 2] > 0f), Fold(sums.D, part.D, totals[at + 3], totals[larger + 3] > 0f));
    }

    private static void Store(ArrayView<float> output, int firstRow, int vector, int vectors, int i, int group, int kvHead, int heads, int headDim, float value)
    {
        if (i < vectors)
        {
            long row = firstRow + (vector + i) / group;
            output[(row * heads + kvHead * group + (vector + i) % group) * headDim + Group.IdxX] = value;
        }
    }

    /// <summary>
    /// Group (row, key/value head and octet of its query heads, group of splits): whoever works on a row's splits, they are the same: the groups
    /// of a row take them by turns, and those that get none end at once. sums [T, H, maxSplits, d] are not normalised, stats [T, H, maxSplits, 2] hold maximum and weight.
    /// </summary>
    public static void Split<T, TDecoder>(ArrayView<float> qkv, ArrayView<T> pool, ArrayView<int> tables, ArrayView<int> starts, ArrayView<int> positions, ArrayView<float> sums, ArrayView<float> stats, int heads, int kvHeads, int headDim, int blockTokens, long blockStride, long headStride, long keyToken, long keyDim, long valueOffset, long valueToken, int splitKeys, int maxSplits)
        where T : unmanaged
        where TDecoder : struct, IDecoder<T>
    {
        ArrayView<Float4> queries = SharedMemory.Allocate<Float4>(2 * OctetAttention.MaxDim);
        ArrayView<int> limits = SharedMemory.Allocate<int>(OctetAttention.Rows);
        ArrayView<Float4> state = SharedMemory.Allocate<Float4>(6);
        long row = Grid.IdxX;
        int keys = positions[row] + 1;
        int length = SplitLength(keys, splitKeys, maxSplits);
        if (Grid.IdxZ * length >= keys)
        {
            return;
        }
        int group = heads / kvHeads;
        int octets = (group + OctetAttention.Rows - 1) / OctetAttention.Rows;
        int kvHead = Grid.IdxY / octets;
        int first = Grid.IdxY % octets * OctetAttention.Rows;
        int vectors = group - first < OctetAttention.Rows ? group - first : OctetAttention.Rows;
        int head = kvHead * group + first;
        long at = (row * (heads + 2 * kvHeads) + head) * headDim;
        ArrayView<float> query = queries.Cast<float>();
        float scale = 1f / MathF.Sqrt(headDim);
        for (int i = 0; i < OctetAttention.Rows; i++)
        {
            for (int c = Group.IdxX; c < headDim; c += Group.DimX)
            {
                query[c * OctetAttention.Rows + i] = i < vectors ? qkv[at + i * headDim + c] * scale : 0f;
            }
            if (Group.IdxX == 0)
            {
                // A split ends where its keys do.
                limits[i] = keys;
            }
        }
        Group.Barrier();
        var place = new KeyValuePlace(starts[row], kvHead, blockTokens, blockStride, headStride, keyToken, keyDim, valueOffset, valueToken);
        ArrayView<float> totals = state.Cast<float>();
        for (int split = Grid.IdxZ; split * length < keys; split += Grid.DimZ)
        {
            int begin = split * length;
            int end = keys - begin < length ? keys : begin + length;
            OctetAttention.Run<T, TDecoder>(pool, tables, 0, place, queries, limits, totals, headDim, begin, end, out Float4 low, out Float4 high);
            long to = (row * heads + head) * maxSplits + split;
            for (int i = Group.IdxX; i < vectors; i += Group.DimX)
            {
                stats[2 * (to + (long)i * maxSplits)] = totals[i];
                stats[2 * (to + (long)i * maxSplits) + 1] = totals[OctetAttention.Rows + i];
            }
            if (Group.IdxX < headDim)
            {
                StorePart(sums, to, maxSplits, headDim, vectors, 0, low.A);
                StorePart(sums, to, maxSplits, headDim, vectors, 1, low.B);
                StorePart(sums, to, maxSplits, headDim, vectors, 2, low.C);
                StorePart(sums, to, maxSplits, headDim, vectors, 3, low.D);
                StorePart(sums, to, maxSplits, headDim, vectors, 4, high.A);
                StorePart(sums, to, maxSplits, headDim, vectors, 5, high.B);
                StorePart(sums, to, maxSplits, headDim, vectors, 6, high.C);
                StorePart(sums, to, maxSplits, headDim, vectors, 7, high.D);
            }
            // No barrier: a thread resets just the totals that it read, and all others' reads end before one in Run.
        }
    }

    private static void StorePart(ArrayView<float> sums, long to, int maxSplits, int headDim, int vectors, int i, float value)
    {
        if (i < vectors)
        {
            sums[(to + (long)i * maxSplits) * headDim + Group.IdxX] = value;
        }
    }
}
