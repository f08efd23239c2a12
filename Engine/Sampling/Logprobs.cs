using Llama4Kernels.Engine.Generation;

namespace Llama4Kernels.Engine.Sampling;

/// <summary>Logarithms of the model's probabilities, before any sampler step.</summary>
internal static class Logprobs
{
    /// <summary>The natural logarithms of softmax(logits) for the chosen token and the most likely ones.</summary>
    /// <param name="logits">[V], as the model gave them; not changed.</param>
    /// <param name="chosen">The token that was chosen.</param>
    /// <param name="topN">How many of the most likely tokens to list (equals by rising id); 0 for none.</param>
    /// <exception cref="ArgumentOutOfRangeException">chosen is not in [0, V), or topN is not in [0, V].</exception>
    /// <exception cref="InvalidLogitsException">A logit is NaN or +∞, or all are −∞.</exception>
    public static TokenLogprob Compute(ReadOnlySpan<float> logits, int chosen, int topN)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(chosen);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(chosen, logits.Length);
        ArgumentOutOfRangeException.ThrowIfNegative(topN);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(topN, logits.Length);

        float max = SamplingMath.CheckedMax(logits);
        double sum = 0;
        foreach (float logit in logits)
        {
            sum += Math.Exp((double)logit - max);
        }
        // The logits are taken relative to the largest, so that large ones keep their digits.
        double logSum = Math.Log(sum);

        // topN is small: an insertion into the sorted list is rare once the list holds the likely tokens.
        ulong[] best = new ulong[topN];
        best.AsSpan().Fill(ulong.MaxValue);
        for (int id = 0; topN > 0 && id < logits.Length; id++)
        {
            ulong key = SamplingMath.DescendingKey(logits[id], id);
            if (key < best[^1])
            {
                int place = ~Array.BinarySearch(best, key);
                Array.Copy(best, place, best, place + 1, topN - place - 1);
                best[place] = key;
            }
        }

        var top = new (int, double)[topN];
        for (int i = 0; i < topN; i++)
        {
            int id = SamplingMath.IdOf(best[i]);
            top[i] = (id, (double)logits[id] - max - logSum);
        }
        return new TokenLogprob((double)logits[chosen] - max - logSum, top);
    }
}
