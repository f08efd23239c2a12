using System.Numerics.Tensors;

namespace Llama4Kernels.Engine.Sampling;

/// <summary>What several samplers compute alike.</summary>
internal static class SamplingMath
{
    /// <summary>The largest logit.</summary>
    /// <exception cref="InvalidLogitsException">A logit is NaN or +∞, or all are −∞.</exception>
    public static float CheckedMax(ReadOnlySpan<float> logits)
    {
        float max = TensorPrimitives.Max(logits);
        if (!float.IsFinite(max))
        {
            ThrowInvalid(logits);
        }
        return max;
    }

    /// <summary>The id of the largest logit, the lowest one of equals.</summary>
    /// <exception cref="InvalidLogitsException">A logit is NaN or +∞, or all are −∞.</exception>
    public static int ArgMax(ReadOnlySpan<float> logits) => logits.IndexOf(CheckedMax(logits));

    /// <summary>weights[i] = exp(logits[i] − max) and their sum, so that P_i = weights[i] / sum.</summary>
    /// <exception cref="InvalidLogitsException">A logit is NaN or +∞, or all are −∞.</exception>
    public static double Exponentials(ReadOnlySpan<float> logits, Span<float> weights)
    {
        TensorPrimitives.Subtract(logits, CheckedMax(logits), weights);
        TensorPrimitives.Exp(weights, weights);
        double sum = 0;
        foreach (float weight in weights)
        {
            sum += weight;
        }
        return sum;
    }

    /// <summary>
    /// A key whose ascending order is: larger <paramref name="value"/> first, then lower id. The value must not be NaN.
    /// </summary>
    public static ulong DescendingKey(float value, int id)
    {
        // Adding zero makes −0 equal to +0. Flipping all bits of a negative number and the sign of the others makes the
        // unsigned order of the bits the order of the numbers; the complement turns it round.
        uint bits = BitConverter.SingleToUInt32Bits(value + 0f);
        uint ascending = (bits & 0x8000_0000) != 0 ? ~bits : bits | 0x8000_0000;
        return ((ulong)~ascending << 32) | (uint)id;
    }

    /// <summary>The id in a key of <see cref="DescendingKey"/>.</summary>
    public static int IdOf(ulong key) => (int)(uint)key;

    private static void ThrowInvalid(ReadOnlySpan<float> logits)
    {
        for (int id = 0; id < logits.Length; id++)
        {
            if (float.IsNaN(logits[id]) || float.IsPositiveInfinity(logits[id]))
            {
                throw new InvalidLogitsException(id, $"the logit is {logits[id]:R}; no token can be chosen by it.");
            }
        }
        throw new InvalidLogitsException(null, "All logits are −∞: no token is left to choose.");
    }
}
