using ILGPU;
using Llama4Kernels.Kernels.Numerics;
using Bits = ILGPU.Interop;

namespace Llama4Kernels.Kernels.Sampling;

/// <summary>
/// The steps from logits to a token on the device, in the order in which they apply: temperature, top-k, softmax sums, top-p,
/// min-p, draw. Each takes a group per row [T, columns], changes it in place (what it removes becomes −∞) and reads its
/// parameter per row. Masses are added as integers, so that no order of additions shows in a result. Rows with NaN or +∞, or
/// with −∞ only, stay such rows, and no token is drawn from them.
/// </summary>
public static class SamplingKernels
{
    // Probabilities are counted in 2⁻⁶²: exact down to 2⁻³⁸, and their sum stays below 2⁶³.
    private const float ProbabilityUnits = 4611686018427387904f;

    // Weights e^(z − maximum) are counted in 2⁻⁴⁴: the sum of 2¹⁹ columns does not overflow.
    private const float WeightUnits = 17592186044416f;

    /// <summary>z ← z / temperature; where that would be infinite for the largest, it is moved to 0 before.</summary>
    /// <param name="logits">[T, columns]</param>
    /// <param name="temperatures">[T], above 0; 1 changes nothing.</param>
    /// <param name="columns">Values of a row.</param>
    public static void Temperature(ArrayView<float> logits, ArrayView<float> temperatures, int columns)
    {
        ArrayView<float> scratch = SharedMemory.Allocate<float>(GroupReduce.MaxThreads);
        long row = (long)Grid.IdxX * columns;
        float temperature = temperatures[Grid.IdxX];
        float maximum = Maximum(logits, scratch, row, columns);
        float shift = IsFinite(maximum / temperature) ? 0f : maximum;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            logits[row + c] = (logits[row + c] - shift) / temperature;
        }
    }

    /// <summary>Keeps the values that are at least the k-th largest: all that tie with it stay.</summary>
    /// <param name="logits">[T, columns]</param>
    /// <param name="ks">[T]; below 1 or from columns on, all stay.</param>
    /// <param name="columns">Values of a row.</param>
    public static void KeepTopK(ArrayView<float> logits, ArrayView<int> ks, int columns)
    {
        ArrayView<long> scratch = SharedMemory.Allocate<long>(GroupReduce.MaxThreads);
        long row = (long)Grid.IdxX * columns;
        int k = ks[Grid.IdxX];
        if (k < 1 || k >= columns)
        {
            return;
        }
        // The largest key that k values reach, bit by bit.
        uint threshold = 0u;
        for (uint bit = 0x8000_0000u; bit != 0u; bit >>= 1)
        {
            uint candidate = threshold | bit;
            long reached = 0;
            for (int c = Group.IdxX; c < columns; c += Group.DimX)
            {
                reached += LogitKernels.Ascending(logits[row + c]) >= candidate ? 1L : 0L;
            }
            threshold = Sum(reached, scratch) >= k ? candidate : threshold;
        }
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            if (LogitKernels.Ascending(logits[row + c]) < threshold)
            {
                logits[row + c] = float.NegativeInfinity;
            }
        }
    }

    /// <summary>
    /// Keeps the nucleus: by falling probability (equals by rising column), a value stays while the mass before it is at most
    /// p. That mass is the sum with the value, rounded to float32, less the value, as on the processor. The cut is found by
    /// bisection over probabilities instead of sorting them.
    /// </summary>
    /// <param name="logits">[T, columns]</param>
    /// <param name="sums">[T, 2], as <see cref="LogitKernels.SoftmaxSums"/> gives them for these logits.</param>
    /// <param name="ps">[T] in (0, 1]; 1 keeps all.</param>
    /// <param name="probabilities">[T, columns], receives the probabilities before the cut; not written where p is 1.</param>
    /// <param name="columns">Values of a row.</param>
    public static void TopP(ArrayView<float> logits, ArrayView<float> sums, ArrayView<float> ps, ArrayView<float> probabilities, int columns)
    {
        ArrayView<long> scratch = SharedMemory.Allocate<long>(GroupReduce.MaxThreads);
        long row = (long)Grid.IdxX * columns;
        float p = ps[Grid.IdxX];
        float maximum = sums[2L * Grid.IdxX];
        float sum = sums[2L * Grid.IdxX + 1];
        // The largest value alone adds 1 to the sum: less, or NaN, means invalid logits.
        if (p >= 1f || DeviceMath.IsNaN(sum) || sum < 1f)
        {
            return;
        }
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            probabilities[row + c] = DeviceMath.Exp(logits[row + c] - maximum) / sum;
        }

        // The smallest probability that would stay if it came first among its equals; bits of positive numbers are ordered as
        // they are. All that is below (1 − p) / columns weighs less than 1 − p and is never in the nucleus.
        uint low = Bits.FloatAsInt(0.5f * (1f - p) / columns);
        uint high = Bits.FloatAsInt(1f / sum);
        while (low < high)
        {
            uint middle = low + ((high - low) >> 1);
            long above = Sum(MassAbove(probabilities, row, columns, middle), scratch);
            bool crosses = Crosses(above, Bits.IntAsFloat(middle), p);
            low = crosses ? middle + 1u : low;
            high = crosses ? high : middle;
        }

        // The probability of the last value that stays, and how many of its equals do.
        uint mine = uint.MaxValue;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            uint bits = Bits.FloatAsInt(probabilities[row + c]);
            mine = bits >= low && bits < mine ? bits : mine;
        }
        uint cut = (uint)Smallest(mine, scratch);
        int begin = (int)((long)columns * Group.IdxX / Group.DimX);
        int end = (int)((long)columns * (Group.IdxX + 1) / Group.DimX);
        long equals = 0;
        for (int c = begin; c < end; c++)
        {
            equals += Bits.FloatAsInt(probabilities[row + c]) == cut ? 1L : 0L;
        }
        long before = Sum(MassAbove(probabilities, row, columns, cut), scratch);
        long rank = SumBefore(equals, scratch);
        long stay = 1;
        long last = Sum(equals, scratch);
        float probability = Bits.IntAsFloat(cut);
        while (stay < last)
        {
            long middle = last - ((last - stay) >> 1);
            bool crosses = Crosses(before + (middle - 1) * Units(probability), probability, p);
            last = crosses ? middle - 1 : last;
            stay = crosses ? stay : middle;
        }
        for (int c = begin; c < end; c++)
        {
            uint bits = Bits.FloatAsInt(probabilities[row + c]);
            if (bits < cut || (bits == cut && rank >= stay))
            {
                logits[row + c] = float.NegativeInfinity;
            }
            rank += bits == cut ? 1L : 0L;
        }
    }

    /// <summary>Keeps the values whose probability is at least min-p times the largest one.</summary>
    /// <param name="logits">[T, columns]</param>
    /// <param name="sums">[T, 2], of which the maximum is read; top-k and top-p do not change it.</param>
    /// <param name="minPs">[T] in [0, 1]; 0 keeps all.</param>
    /// <param name="columns">Values of a row.</param>
    public static void MinP(ArrayView<float> logits, ArrayView<float> sums, ArrayView<float> minPs, int columns)
    {
        long row = (long)Grid.IdxX * columns;
        float minP = minPs[Grid.IdxX];
        float maximum = sums[2L * Grid.IdxX];
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            if (DeviceMath.Exp(logits[row + c] - maximum) < minP)
            {
                logits[row + c] = float.NegativeInfinity;
            }
        }
    }

    /// <summary>
    /// Draws a column by its weight e^(z − maximum): the first one, by rising column, up to which the weights exceed
    /// uniform · their sum.
    /// </summary>
    /// <param name="logits">[T, columns], not changed; at most 2¹⁹ columns.</param>
    /// <param name="uniforms">[T], numbers in [0, 1) times 2⁵³.</param>
    /// <param name="ids">[T], receives the columns; −1 where a value is NaN or +∞, or all are −∞.</param>
    /// <param name="columns">Values of a row.</param>
    public static void Draw(ArrayView<float> logits, ArrayView<long> uniforms, ArrayView<int> ids, int columns)
    {
        ArrayView<long> scratch = SharedMemory.Allocate<long>(GroupReduce.MaxThreads);
        ArrayView<float> maxima = SharedMemory.Allocate<float>(GroupReduce.MaxThreads);
        long row = (long)Grid.IdxX * columns;
        float maximum = Maximum(logits, maxima, row, columns);
        int begin = (int)((long)columns * Group.IdxX / Group.DimX);
        int end = (int)((long)columns * (Group.IdxX + 1) / Group.DimX);
        long faults = 0;
        long weight = 0;
        for (int c = begin; c < end; c++)
        {
            float logit = logits[row + c];
            bool isNaN = DeviceMath.IsNaN(logit);
            faults += isNaN ? 1L : 0L;
            weight += isNaN ? 0L : Weight(logit, maximum);
        }
        bool isValid = Sum(faults, scratch) == 0 && IsFinite(maximum);
        long total = Sum(weight, scratch);
        long left = HighProduct((ulong)uniforms[Grid.IdxX] << 11, (ulong)total) - SumBefore(weight, scratch);
        if (!isValid)
        {
            if (Group.IdxX == 0)
            {
                ids[Grid.IdxX] = -1;
            }
            return;
        }
        // Exactly one thread has the column in its part.
        if (left < 0 || left >= weight)
        {
            return;
        }
        int chosen = begin;
        while (left >= 0)
        {
            left -= Weight(logits[row + chosen], maximum);
            chosen++;
        }
        ids[Grid.IdxX] = chosen - 1;
    }

    private static bool IsFinite(float value) => (Bits.FloatAsInt(value) & 0x7f80_0000u) != 0x7f80_0000u;

    private static float Maximum(ArrayView<float> values, ArrayView<float> scratch, long row, int columns)
    {
        float maximum = float.NegativeInfinity;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            maximum = GroupReduce.Larger(maximum, values[row + c]);
        }
        return GroupReduce.Max(maximum, scratch);
    }

    private static long Units(float probability) => (long)(probability * ProbabilityUnits);

    private static long Weight(float logit, float maximum)
    {
        float weight = DeviceMath.Exp(logit - maximum);
        // ∞ − ∞ in an invalid row, whose weights do not matter but must be numbers.
        return DeviceMath.IsNaN(weight) ? 0L : (long)(weight * WeightUnits);
    }

    /// <summary>This thread's part of the mass of all probabilities whose bits are above some.</summary>
    private static long MassAbove(ArrayView<float> probabilities, long row, int columns, uint bits)
    {
        long mass = 0;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            float probability = probabilities[row + c];
            mass += Bits.FloatAsInt(probability) > bits ? Units(probability) : 0L;
        }
        return mass;
    }

    /// <summary>Whether the mass before a value is above p, as the processor computes it.</summary>
    private static bool Crosses(long before, float probability, float p) =>
        (float)(before + Units(probability)) * (1f / ProbabilityUnits) - probability > p;

    /// <summary>The upper 64 bits of a product.</summary>
    private static long HighProduct(ulong a, ulong b)
    {
        ulong low = (a & 0xffff_fffful) * (b & 0xffff_fffful);
        ulong first = (a >> 32) * (b & 0xffff_fffful) + (low >> 32);
        ulong second = (a & 0xffff_fffful) * (b >> 32) + (first & 0xffff_fffful);
        return (long)((a >> 32) * (b >> 32) + (first >> 32) + (second >> 32));
    }

    /// <summary>
    /// Sum over the group, the same in every thread. The last two are added in a loop: ILGPU moves a single load behind the
    /// barrier that follows it, to where its value is used, and the next reduction would overwrite it before.
    /// </summary>
    private static long Sum(long value, ArrayView<long> scratch)
    {
        scratch[Group.IdxX] = value;
        Group.Barrier();
        for (int half = Group.DimX >> 1; half > 1; half >>= 1)
        {
            if (Group.IdxX < half)
            {
                scratch[Group.IdxX] += scratch[Group.IdxX + half];
            }
            Group.Barrier();
        }
        int parts = Group.DimX < 2 ? 1 : 2;
        long sum = 0;
        for (int i = 0; i < parts; i++)
        {
            sum += scratch[i];
        }
        Group.Barrier();
        return sum;
    }

    /// <summary>Sum over the threads before this one.</summary>
    private static long SumBefore(long value, ArrayView<long> scratch)
    {
        scratch[Group.IdxX] = value;
        Group.Barrier();
        long sum = 0;
        for (int i = 0; i < Group.IdxX; i++)
        {
            sum += scratch[i];
        }
        Group.Barrier();
        return sum;
    }

    /// <summary>Smallest value over the group, the same in every thread.</summary>
    private static long Smallest(long value, ArrayView<long> scratch)
    {
        scratch[Group.IdxX] = value;
        Group.Barrier();
        long smallest = scratch[0];
        for (int i = 1; i < Group.DimX; i++)
        {
            smallest = scratch[i] < smallest ? scratch[i] : smallest;
        }
        Group.Barrier();
        return smallest;
    }
}
