namespace Llama4Kernels.Engine.Diagnostics;

/// <summary>How far computed rows of logits are from reference rows.</summary>
/// <param name="Rows">Rows.</param>
/// <param name="Mean">Mean KL divergence in nats.</param>
/// <param name="Median">Median.</param>
/// <param name="FarRows">Rows beyond 0.01, and those that are no numbers.</param>
/// <param name="SameTop1">Rows with the same most likely token.</param>
internal readonly record struct LogitDivergence(int Rows, double Mean, double Median, int FarRows, int SameTop1)
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
        double[] rows = ReferenceMetrics.Kl(computed, reference, columns);
        return new LogitDivergence(rows.Length, rows.Average(), rows.Order().ElementAt(rows.Length / 2), rows.Count(row => !(row <= Far)), ReferenceMetrics.SameTop1(computed, reference, columns));
    }
}
