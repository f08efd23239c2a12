using System.Text.Json.Serialization;

namespace Llama4Kernels.Engine.Diagnostics;

/// <summary>How a run compares with one file of reference values.</summary>
public sealed record ReferenceReport
{
    /// <summary>The file's name.</summary>
    public required string File { get; init; }

    /// <summary>Why the file was not compared; null if it was.</summary>
    public string? Skipped { get; init; }

    /// <summary>
    /// Whether it is within the tolerance, or its rows within <see cref="Bound"/>; true for a skipped file. Few rows tell little
    /// about activations that are rounded: judge several files by <see cref="ReferenceSummary"/>.
    /// </summary>
    public bool Passed { get; init; } = true;

    /// <summary>What the rows are judged by when activations are rounded; null with float32 activations.</summary>
    public DivergenceBound? Bound { get; init; }

    /// <summary>Positions whose logits were compared.</summary>
    public int Rows { get; init; }

    /// <summary>Largest difference of a logit.</summary>
    public double MaxAbsolute { get; init; }

    /// <summary>The same as a share of the reference's range.</summary>
    public double Relative { get; init; }

    /// <summary>How far two orders of the same float32 sums are apart, as a share of the reference's range; null if not tried.</summary>
    public double? OrderOfSummation { get; init; }

    /// <summary>KL(reference ‖ computed) in nats of each row.</summary>
    [JsonIgnore]
    public IReadOnlyList<double> Divergences { get; init; } = [];

    /// <summary>Median of <see cref="Divergences"/>.</summary>
    public double MedianKl { get; init; }

    /// <summary>Their mean.</summary>
    public double MeanKl { get; init; }

    /// <summary>The largest.</summary>
    public double MaxKl { get; init; }

    /// <summary>Rows beyond 0.01.</summary>
    public int RowsAbove001 { get; init; }

    /// <summary>Positions where both find the same token most likely.</summary>
    public int SameTop1 { get; init; }

    /// <summary>Router choices compared.</summary>
    public int RouterChoices { get; init; }

    /// <summary>Router choices that differ.</summary>
    public int RouterDifferences { get; init; }

    /// <summary>First stage in the order of computation that is beyond the tolerance, such as <c>router.3</c>; null if none is.</summary>
    public string? FirstDifference { get; init; }

    /// <summary>Continued tokens that were compared.</summary>
    public int Greedy { get; init; }

    /// <summary>Index of the first continued token that differs by more than a near tie; null if none does.</summary>
    public int? GreedyDifference { get; init; }
}
