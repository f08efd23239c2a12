using Llama4Kernels.PtxEmulator.Execution;

namespace Llama4Kernels.PtxEmulator.Driver;

/// <summary>What machine an <see cref="EmulatedCudaDriver"/> pretends to be.</summary>
public sealed record EmulatedDriverOptions
{
    /// <summary>The capabilities that devices are emulated for.</summary>
    public static IReadOnlyList<int> Capabilities => DeviceLimits.Capabilities;

    /// <summary>Compute capability as in sm_90: one of <see cref="Capabilities"/>.</summary>
    public int Capability { get; init; } = 90;

    /// <summary>Number of equal devices.</summary>
    public int Devices { get; init; } = 1;

    /// <summary>Memory of each device in bytes; the host must have twice of what is used, except in a plan.</summary>
    public long MemoryBytes { get; init; } = 80L << 30;

    /// <summary>How launches are executed.</summary>
    public LaunchOptions Launch { get; init; } = new();

    /// <summary>
    /// Streams do their work as late as the rules allow: when somebody waits for it or asks whether it is done. Memory that is
    /// freed or written over while work uses it shows, as it does not if work is done before the call returns.
    /// </summary>
    public bool DeferWork { get; init; }

    /// <summary>Keep what every launch counted in <see cref="EmulatedCudaDriver.Launches"/>.</summary>
    public bool RecordLaunches { get; init; }

    /// <summary>
    /// Launches are noted in <see cref="EmulatedCudaDriver.TakePlanned"/> and not executed, nor are fills. Memory takes the host's only
    /// where it is touched, is zero where no copy wrote and counts as written, so that a model of any size finds room.
    /// </summary>
    public bool IsPlan { get; init; }
}
