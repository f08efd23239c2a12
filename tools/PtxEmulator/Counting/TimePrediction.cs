namespace Llama4Kernels.PtxEmulator.Counting;

/// <summary>A predicted time with its terms, in seconds. The largest of the first six decides; the others add to it.</summary>
public sealed record TimePrediction
{
    /// <summary>Moving the bytes through HBM.</summary>
    public double Hbm { get; init; }

    /// <summary>Moving the bytes between L2 and the multiprocessors.</summary>
    public double L2 { get; init; }

    /// <summary>Passes through shared memory on the busiest multiprocessor.</summary>
    public double Shared { get; init; }

    /// <summary>Issuing the instructions on the busiest multiprocessor.</summary>
    public double Issue { get; init; }

    /// <summary>The matrix instructions on the busiest multiprocessor.</summary>
    public double Tensor { get; init; }

    /// <summary>Waiting for memory with the bytes that are on the way at once.</summary>
    public double Fill { get; init; }

    /// <summary>What filling and draining the ring of a matrix product adds.</summary>
    public double PipelineFill { get; init; }

    /// <summary>Until the first data is there.</summary>
    public double Ramp { get; init; }

    /// <summary>While the last pieces of work end.</summary>
    public double Tail { get; init; }

    /// <summary>To the kernel before.</summary>
    public double LaunchGap { get; init; }

    /// <summary>The clock that was assumed, in hertz.</summary>
    public double Clock { get; init; }

    /// <summary>The largest of the terms that overlap.</summary>
    public double Longest => Overlapping.Max(term => term.Seconds);

    /// <summary>Name of the term that decides.</summary>
    public string Bound => Overlapping.MaxBy(term => term.Seconds).Name;

    /// <summary>The kernel's time.</summary>
    public double Total => Longest + PipelineFill + Ramp + Tail + LaunchGap;

    /// <summary>All terms in order, with the names of the design note.</summary>
    public IReadOnlyList<(string Name, double Seconds)> Terms =>
        [.. Overlapping, ("T_pipeline", PipelineFill), ("ramp", Ramp), ("tail", Tail), ("launch gap", LaunchGap)];

    private (string Name, double Seconds)[] Overlapping =>
        [("T_hbm", Hbm), ("T_l2", L2), ("T_smem", Shared), ("T_issue", Issue), ("T_tc", Tensor), ("T_fill", Fill)];
}
