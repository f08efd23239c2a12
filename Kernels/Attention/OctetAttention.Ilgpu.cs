using ILGPU;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>Where keys and values of a head lie: elements from the base of a pool.</summary>
/// <param name="BlockTokens">Positions of a block.</param>
/// <param name="Block">From a block to the next.</param>
/// <param name="Start">Where the block table starts among the tables.</param>
/// <param name="Key">From a block's start to the first key of the head.</param>
/// <param name="KeyToken">From a key to the next.</param>
/// <param name="KeyDim">From an element of a key to the next.</param>
/// <param name="Value">From a block's start to the first value of the head; its elements lie together.</param>
/// <param name="ValueToken">From a value to the next.</param>
public readonly record struct KeyValuePlace(int BlockTokens, long Block, int Start, long Key, long KeyToken, long KeyDim, long Value, long ValueToken)
{
    /// <summary>That of a head in blocks of a layout.</summary>
    public KeyValuePlace(int start, int kvHead, int blockTokens, long blockStride, long headStride, long keyToken, long keyDim, long valueOffset, long valueToken)
        : this(blockTokens, blockStride, start, kvHead * headStride, keyToken, keyDim, valueOffset + kvHead * headStride, valueToken)
    {
    }
}

/// <summary>
/// Softmax attention of eight query vectors over the same keys in one group: what all attention kernels have in common. A
/// thread makes the scores of one key of a block of as many keys as the group has threads, then one column of the sums, so
/// keys and values are read once for eight queries. The softmax is online in float32; the order of its operations depends on
/// the size of the group alone.
/// </summary>
internal static class OctetAttention
{
    /// <summary>Query vectors of a group.</summary>
    public const int Rows = 8;

    /// <summary>Largest head size.</summary>
    public const int MaxDim = GroupReduce.MaxThreads;

    private const int Parts = 8;

    /// <summary>
    /// The state of the octet over the keys begin … end. Every thread of the group must call it, with at least as many threads
    /// as a head has elements.
    /// </summary>
    /// <param name="pool">Keys and values.</param>
    /// <param name="tables">Block tables; empty if there is one block at offset <paramref name="onlyBlock"/>.</param>
    /// <param name="onlyBlock">See above.</param>
    /// <param name="place">Layout.</param>
    /// <param name="queries">Shared, [d, 8], multiplied by 1/√d.</param>
    /// <param name="limits">Shared, [8]: the first key that each row may not see.</param>
    /// <param name="state">Shared, [3, 8]: receives maxima, then weights; then scratch.</param>
    /// <param name="headDim">d.</param>
    /// <param name="begin">First key.</param>
    /// <param name="end">End of the keys.</param>
    /// <param name="low">Rows 0 … 3 of the thread's column of the sums.</param>
    /// <param name="high">Rows 4 … 7.</param>
    public static void Run<T, TDecoder>(ArrayView<T> pool, ArrayView<int> tables, long onlyBlock, KeyValuePlace place, ArrayView<Float4> queries, ArrayView<int> limits, ArrayView<float> state, int headDim, int begin, int end, out Float4 low, out Float4 high)
        where T : unmanaged
        where TDecoder : struct, IDecoder<T>
    {
        ArrayView<Float4> weights = SharedMemory.Allocate<Float4>(2 * GroupReduce.MaxThreads);
        ArrayView<float> partial = SharedMemory.Allocate<float>(Parts * Rows);
        ArrayView<float> single = weights.Cast<float>();
        ArrayView<Float4> states = state.Cast<Float4>();
        int thread = Group.IdxX;
        int threads = Group.DimX;
        for (int row = thread; row < Rows; row += threads)
        {
            state[row] = float.NegativeInfinity;
            state[Rows + row] = 0f;
        }
        low = default;
        high = default;
        for (int block = begin; block < end; block += threads)
        {
            int key = block + thread;
            int count = end - block < threads ? end - block : threads;
            Float4 scoreLow = default, scoreHigh = default;
            if (key < end)
            {
                Scores<T, TDecoder>(pool, Block(tables, onlyBlock, place, key / place.BlockTokens) + place.Key + key % place.BlockTokens * place.KeyToken, place.KeyDim, queries, headDim, ref scoreLow, ref scoreHigh);
            }
            scoreLow = new Float4(Seen(scoreLow.A, key, end, limits[0]), Seen(scoreLow.B, key, end, limits[1]), Seen(scoreLow.C, key, end, limits[2]), Seen(scoreLow.D, key, end, limits[3]));
            scoreHigh = new Float4(Seen(scoreHigh.A, key, end, limits[4]), Seen(scoreHigh.B, key, end, limits[5]), Seen(scoreHigh.C, key, end, limits[6]), Seen(scoreHigh.D, key, end, limits[7]));
            weights[2 * thread] = scoreLow;
            weights[2 * thread + 1] = scoreHigh;
            Group.Barrier();
            Maxima(single, partial, state, thread, threads);
            Float4 maxLow = states[0], maxHigh = states[1];
            weights[2 * thread] = new Float4(DeviceMath.Exp(scoreLow.A - maxLow.A), DeviceMath.Exp(scoreLow.B - maxLow.B), DeviceMath.Exp(scoreLow.C - maxLow.C), DeviceMath.Exp(scoreLow.D - maxLow.D));
            weights[2 * thread + 1] = new Float4(DeviceMath.Exp(scoreHigh.A - maxHigh.A), DeviceMath.Exp(scoreHigh.B - maxHigh.B), DeviceMath.Exp(scoreHigh.C - maxHigh.C), DeviceMath.Exp(scoreHigh.D - maxHigh.D));
            low = low.Times(states[4]);
            high = high.Times(states[5]);
            Group.Barrier();
            PartialSums(single, partial, thread, threads);
            if (thread < headDim)
            {
                WeighValues<T, TDecoder>(pool, tables, onlyBlock, place, weights, block, count, thread, ref low, ref high);
            }
            Group.Barrier();
            for (int row = thread; row < Rows; row += threads)
            {
                float sum = state[Rows + row] * state[2 * Rows + row];
                for (int part = 0; part < Parts; part++)
                {
                    sum += partial[part * Rows + row];
                }
                state[Rows + row] = sum;
            }
        }
        Group.Barrier();
    }

    private static long Block(ArrayView<int> tables, long onlyBlock, KeyValuePlace place, int index) =>
        tables.Length > 0 ? tables[place.Start + index] * place.Block : onlyBlock;

    private static float Seen(float score, int key, int end, int limit) => key < end && key < limit ? score : float.NegativeInfinity;

    private static void Scores<T, TDecoder>(ArrayView<T> pool, long at, long stride, ArrayView<Float4> queries, int headDim, ref Float4 low, ref Float4 high)
        where T : unmanaged
        where TDecoder : struct, IDecoder<T>
    {
        TDecoder decoder = default;
        int c = 0;
        // Written out: each turn of a loop copies the eight sums.
        for (; c < headDim - 3; c += 4)
        {
            float k0 = decoder.One(pool, ArrayView<float>.Empty, at);
            float k1 = decoder.One(pool, ArrayView<float>.Empty, at + stride);
            float k2 = decoder.One(pool, ArrayView<float>.Empty, at + 2 * stride);
            float k3 = decoder.One(pool, ArrayView<float>.Empty, at + 3 * stride);
            low = low.Add(k0, queries[2 * c]).Add(k1, queries[2 * c + 2]).Add(k2, queries[2 * c + 4]).Add(k3, queries[2 * c + 6]);
            high = high.Add(k0, queries[2 * c + 1]).Add(k1, queries[2 * c + 3]).Add(k2, queries[2 * c + 5]).Add(k3, queries[2 * c + 7]);
            at += 4 * stride;
        }
        for (; c < headDim; c++)
        {
            float k = decoder.One(pool, ArrayView<float>.Empty, at);
            low = low.Add(k, queries[2 * c]);
            high = high.Add(k, queries[2 * c + 1]);
            at += stride;
        }
    }

    private static void WeighValues<T, TDecoder>(ArrayView<T> pool, ArrayView<int> tables, long onlyBlock, KeyValuePlace place, ArrayView<Float4> weights, int block, int count, int column, ref Float4 low, ref Float4 high)
        where T : unmanaged
        where TDecoder : struct, IDecoder<T>
    {
        TDecoder decoder = default;
        int key = 0;
        while (key < count)
        {
            int index = (block + key) / place.BlockTokens;
            int slot = block + key - index * place.BlockTokens;
            int stop = key + place.BlockTokens - slot;
            stop = stop < count ? stop : count;
            long at = Block(tables, onlyBlock, place, index) + place.Value + slot * place.ValueToken + column;
            for (; key < stop - 3; key += 4)
            {
                float v0 = decoder.One(pool, ArrayView<float>.Empty, at);
                float v1 = decoder.One(pool, ArrayView<float>.Empty, at + place.ValueToken);
                float v2 = decoder.One(pool, ArrayView<float>.Empty, at + 2 * place.ValueToken);
                float v3 = decoder.One(pool, ArrayView<float>.Empty, at + 3 * place.ValueToken);
                low = low.Add(v0, weights[2 * key]).Add(v1, weights[2 * key + 2]).Add(v2, weights[2 * key + 4]).Add(v3, weights[2 * key + 6]);
                high = high.Add(v0, weights[2 * key + 1]).Add(v1, weights[2 * key + 3]).Add(v2, weights[2 * key + 5]).Add(v3, weights[2 * key + 7]);
                at += 4 * place.ValueToken;
            }
            for (; key < stop; key++)
            {
                float v = decoder.One(pool, ArrayView<float>.Empty, at);
                low = low.Add(v, weights[2 * key]);
                high = high.Add(v, weights[2 * key + 1]);
                at += place.ValueToken;
            }
        }
    }

    /// <summary>Brings the maxima up to date and leaves in state [2] what older sums are to be multiplied by.</summary>
    private static void Maxima(ArrayView<float> scores, ArrayView<float> partial, ArrayView<float> state, int thread, int threads)
    {
        for (int i = thread; i < Parts * Rows; i += threads)
        {
            int row = i % Rows;
            int part = i / Rows;
            float maximum = float.NegativeInfinity;
            for (int key = part * threads / Parts; key < (part + 1) * threads / Parts; key++)
            {
                maximum = GroupReduce.Larger(maximum, scores[key * Rows + row]);
            }
            partial[i] = maximum;
        }
        Group.Barrier();
        for (int row = thread; row < Rows; row += threads)
        {
            float old = state[row];
            float maximum = old;
            for (int part = 0; part < Parts; part++)
            {
                maximum = GroupReduce.Larger(maximum, partial[part * Rows + row]);
            }
            state[row] = maximum;
            // Nothing seen yet has sums 0, which a factor of e^(−∞ + ∞) would turn into NaN.
            state[2 * Rows + row] = old == float.NegativeInfinity ? 0f : DeviceMath.Exp(old - maximum);
        }
        Group.Barrier();
    }

    private static void PartialSums(ArrayView<float> weights, ArrayView<float> partial, int thread, int threads)
    {
        for (int i = thread; i < Parts * Rows; i += threads)
        {
            int row = i % Rows;
            int part = i / Rows;
            float sum = 0f;
            for (int key = part * threads / Parts; key < (part + 1) * threads / Parts; key++)
            {
                sum += weights[key * Rows + row];
            }
            partial[i] = sum;
        }
    }
}
