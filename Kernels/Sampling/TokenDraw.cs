using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Sampling;

/// <summary>
/// How a row's token is chosen: the steps in this order, and a draw. Those that change nothing cost nothing.
/// </summary>
/// <param name="Temperature">Divides the logits; above 0, 1 changes nothing.</param>
/// <param name="TopK">Values that stay, with all that tie with the last; 0 for all.</param>
/// <param name="TopP">Mass of the nucleus, in (0, 1]; 1 for all.</param>
/// <param name="MinP">Least share of the largest probability, in [0, 1]; 0 for all.</param>
/// <param name="Uniform">The random number, in [0, 1), a multiple of 2⁻⁵³.</param>
public readonly record struct DrawRule(float Temperature, int TopK, float TopP, float MinP, double Uniform)
{
    /// <summary>The largest value's column, of equals the lowest.</summary>
    public static DrawRule Best { get; } = new(1, 1, 1, 0, 0);

    /// <summary>Whether nothing is drawn.</summary>
    public bool IsBest => this == Best;
}

/// <summary>
/// A column of each row by its rule, x [T, columns] → ids [T]: −1 for a row with NaN or +∞ or with −∞ only, from which no token
/// can be chosen. Of the columns that the steps leave, with weights e^(z − maximum), it is the first one, by rising column, up to which
/// the weights exceed uniform · their sum. Weights are float32, their sums exact (multiples of 2⁻⁴⁴); the sampler of the host adds the
/// same weights, which its exponential rounds elsewhere, in float64: the ids are equal unless uniform · sum, or the mass at which
/// a step cuts, lies within float32 rounding of a border between two columns.
/// </summary>
internal static class TokenDraw
{
    /// <summary>Most columns of a row.</summary>
    internal const int MaxColumns = 1 << 19;

    /// <summary>What the operation takes, wherever it runs.</summary>
    /// <exception cref="ArgumentException">The tensor is not float32 in its place or too wide, there is not a rule and an id per row, or a rule's number is out of its range.</exception>
    internal static void Require(Tensor x, MemoryPlace place, ReadOnlySpan<DrawRule> rules, ReadOnlySpan<int> ids)
    {
        ShapeCheck.Require(x, place, x.Rows, x.Columns, nameof(x));
        ShapeCheck.Require(x.Columns <= MaxColumns, "Rows have too many columns to draw from.", nameof(x));
        ShapeCheck.Require(rules.Length == x.Rows, "A rule is needed for each row.", nameof(rules));
        ShapeCheck.Require(ids.Length == x.Rows, "A place for an id is needed for each row.", nameof(ids));
        foreach (DrawRule rule in rules)
        {
            if (!(rule.Temperature > 0 && float.IsFinite(rule.Temperature)) || rule.TopK < 0 || !(rule.TopP > 0 && rule.TopP <= 1) || !(rule.MinP >= 0 && rule.MinP <= 1) || !(rule.Uniform >= 0 && rule.Uniform < 1))
            {
                throw new ArgumentException($"No token can be drawn by {rule}: the temperature is finite and above 0, top-k at least 0, top-p in (0, 1], min-p in [0, 1], the random number in [0, 1).", nameof(rules));
            }
        }
    }
}
