namespace Llama4Kernels.Engine.Diagnostics;

/// <summary>How far computed rows of logits are from reference rows.</summary>
/// <param name="Rows">Rows.</param>
/// <param name="MedianKl">Median of the rows' KL(reference ‖ computed) in nats; of an even number, the upper of the middle two.</param>
/// <param name="MeanKl">Mean.</param>
/// <param name="MaxKl">Largest.</param>
/// <param name="RowsAbove001">Rows beyond 0.01, and those that are no numbers.</param>
/// <param name="SameTop1">Rows with the same most likely token.</param>
public readonly record struct LogitDivergence(int Rows, double MedianKl, double MeanKl, double MaxKl, int RowsAbove001, int SameTop1)
{
    private const double Far = 0.01;

    /// <summary>Compares rows of logits [rows, columns], at least one.</summary>
    /// <exception cref="ArgumentException">There are no rows, or not as many of both.</exception>
    public static LogitDivergence Of(ReadOnlySpan<float> computed, ReadOnlySpan<float> reference, int columns)
    {
        if (columns < 1 || reference.Length == 0 || reference.Length % columns != 0)
        {
            throw new ArgumentException($"{reference.Length} reference values are no rows of {columns} logits.");
        }
        return Of(ReferenceMetrics.Kl(computed, reference, columns), ReferenceMetrics.SameTop1(computed, reference, columns));
    }

    /// <summary>From the rows' KL divergences, at least one.</summary>
    internal static LogitDivergence Of(IReadOnlyList<double> rows, int sameTop1) =>
        new(rows.Count, rows.Order().ElementAt(rows.Count / 2), rows.Average(), rows.Max(), rows.Count(row => !(row <= Far)), sameTop1);
}
