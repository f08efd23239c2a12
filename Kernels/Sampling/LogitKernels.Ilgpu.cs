using ILGPU;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Sampling;

/// <summary>What sampling takes from logits on the device.</summary>
public static class LogitKernels
{
    /// <summary>
    /// Group (part of the columns, row): the k first of a part, NaN first, then larger values, equal ones by lower id. Run over
    /// parts and then over their candidates it gives the k first of a row; with k = 1 that is argmax.
    /// </summary>
    /// <param name="values">[T, columns]</param>
    /// <param name="ids">[T, columns], or empty if an id is the column; values with a negative id do not exist.</param>
    /// <param name="topValues">[T, parts·k]; −∞ where a part has fewer than k.</param>
    /// <param name="topIds">[T, parts·k]; −1 there.</param>
    /// <param name="columns">Values of a row.</param>
    /// <param name="k">How many.</param>
    public static void TopK(ArrayView<float> values, ArrayView<int> ids, ArrayView<float> topValues, ArrayView<int> topIds, int columns, int k)
    {
        ArrayView<ulong> scratch = SharedMemory.Allocate<ulong>(GroupReduce.MaxThreads);
        int thread = Group.IdxX;
        long row = (long)Grid.IdxY * columns;
        int begin = (int)((long)columns * Grid.IdxX / Grid.DimX);
        int end = (int)((long)columns * (Grid.IdxX + 1) / Grid.DimX);
        long to = ((long)Grid.IdxY * Grid.DimX + Grid.IdxX) * k;
        ulong last = ulong.MaxValue;
        for (int place = 0; place < k; place++)
        {
            // Keys are distinct, so the next is the largest below the last: nothing needs to be marked as taken.
            ulong best = 0;
            for (int c = begin + thread; c < end; c += Group.DimX)
            {
                int id = ids.Length > 0 ? ids[row + c] : c;
                ulong key = Key(values[row + c], id);
                best = id >= 0 && key < last && key > best ? key : best;
            }
            scratch[thread] = best;
            Group.Barrier();
            for (int half = Group.DimX >> 1; half > 0; half >>= 1)
            {
                if (thread < half && scratch[thread + half] > scratch[thread])
                {
                    scratch[thread] = scratch[thread + half];
                }
                Group.Barrier();
            }
            last = scratch[0];
            Group.Barrier();
            if (thread == 0)
            {
                topValues[to + place] = last == 0 ? float.NegativeInfinity : Value(last);
                topIds[to + place] = last == 0 ? -1 : (int)~(uint)last;
            }
        }
    }

    /// <summary>Group (row): logits [T, columns] → sums [T, 2], the maximum and Σ e^(logit − maximum), the softmax's divisor.</summary>
    public static void SoftmaxSums(ArrayView<float> logits, ArrayView<float> sums, int columns)
    {
        ArrayView<float> scratch = SharedMemory.Allocate<float>(GroupReduce.MaxThreads);
        long row = (long)Grid.IdxX * columns;
        float maximum = float.NegativeInfinity;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            maximum = GroupReduce.Larger(maximum, logits[row + c]);
        }
        maximum = GroupReduce.Max(maximum, scratch);
        float sum = 0f;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            sum += DeviceMath.Exp(logits[row + c] - maximum);
        }
        sum = GroupReduce.Sum(sum, scratch);
        if (Group.IdxX == 0)
        {
            sums[2L * Grid.IdxX] = maximum;
            sums[2L * Grid.IdxX + 1] = sum;
        }
    }

    /// <summary>Rises with the value: the sign turns the order of negative bits round, zeros are equal, NaN is largest.</summary>
    internal static uint Ascending(float value)
    {
        uint bits = ILGPU.Interop.FloatAsInt(value);
        bits = bits == 0x8000_0000u ? 0u : bits;
        uint ascending = (bits & 0x8000_0000u) != 0u ? ~bits : bits | 0x8000_0000u;
        return DeviceMath.IsNaN(value) ? uint.MaxValue : ascending;
    }

    /// <summary>Larger for what comes first; never 0.</summary>
    private static ulong Key(float value, int id) => ((ulong)Ascending(value) << 32) | ~(uint)id;

    private static float Value(ulong key)
    {
        uint ascending = (uint)(key >> 32);
        uint bits = (ascending & 0x8000_0000u) != 0u ? ascending & 0x7fff_ffffu : ~ascending;
        return ILGPU.Interop.IntAsFloat(bits);
    }
}
