using System.Numerics.Tensors;
using Llama4Kernels.Engine.Sampling;

namespace Llama4Kernels.Engine.Diagnostics;

/// <summary>Broken weights or kernels give logits that are no numbers: whoever reads logits says so instead of going on.</summary>
internal static class FiniteLogits
{
    /// <summary>Checks rows of logits [rows, V].</summary>
    /// <param name="logits">The logits.</param>
    /// <param name="vocabulary">V.</param>
    /// <param name="more">A sentence to add.</param>
    /// <exception cref="InvalidLogitsException">One is NaN or infinite.</exception>
    public static void Check(ReadOnlySpan<float> logits, int vocabulary, string more = "")
    {
        if (TensorPrimitives.IsFiniteAll(logits))
        {
            return;
        }
        int bad = 0, first = -1;
        for (int i = 0; i < logits.Length; i++)
        {
            if (!float.IsFinite(logits[i]))
            {
                first = bad++ == 0 ? i : first;
            }
        }
        throw new InvalidLogitsException(
            first % vocabulary, FormattableString.Invariant($"the logit of row {first / vocabulary} is {logits[first]}; {bad} of {logits.Length} logits are NaN or infinite: the weights or a kernel are broken.{more}"));
    }
}
