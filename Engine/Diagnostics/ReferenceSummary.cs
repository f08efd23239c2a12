namespace Llama4Kernels.Engine.Diagnostics;

/// <summary>All files of a comparison together.</summary>
/// <param name="Passed">Whether they are within the tolerance: with float32 activations each file, with others all rows together.</param>
/// <param name="Divergence">All rows of logits; null if nothing was compared.</param>
public sealed record ReferenceSummary(bool Passed, LogitDivergence? Divergence)
{
    /// <summary>Sums reports of one model up. Skipped files count for nothing.</summary>
    /// <exception cref="ArgumentException">The reports were judged by different bounds.</exception>
    public static ReferenceSummary Of(IReadOnlyCollection<ReferenceReport> reports)
    {
        ArgumentNullException.ThrowIfNull(reports);
        ReferenceReport[] compared = [.. reports.Where(report => report.Skipped is null)];
        if (compared.Length == 0)
        {
            return new ReferenceSummary(true, null);
        }
        DivergenceBound? bound = compared[0].Bound;
        if (compared.Any(report => report.Bound != bound))
        {
            throw new ArgumentException("The reports were judged by different bounds.", nameof(reports));
        }
        var rows = LogitDivergence.Of([.. compared.SelectMany(report => report.Divergences)], compared.Sum(report => report.SameTop1));
        return new ReferenceSummary(bound?.Admits(rows) ?? compared.All(report => report.Passed), rows);
    }
}
