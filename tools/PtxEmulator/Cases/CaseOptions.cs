namespace Llama4Kernels.PtxEmulator.Cases;

/// <summary>How a case is run.</summary>
public sealed record CaseOptions
{
    /// <summary>Schedules to try; the result must be right under all of them.</summary>
    public int Seeds { get; init; } = 1;

    /// <summary>Asynchronous copies arrive when they are issued and not at their wait.</summary>
    public bool Early { get; init; }

    /// <summary>Cores to use, 0 for all.</summary>
    public int Workers { get; init; }
}
