using Llama4Kernels.PtxEmulator.Counting;

namespace Llama4Kernels.Cli.Devices;

/// <summary>What a prediction takes of a device: how fast it reads with so much under way on a multiprocessor, and the gap between nodes of a graph.</summary>
/// <param name="Source">"measured", or "assumed" where nothing can be timed.</param>
/// <param name="Multiprocessors">Multiprocessors.</param>
/// <param name="Reads">Rates by bytes under way, ascending; of equal bytes the best.</param>
/// <param name="LaunchMicroseconds">Between plain nodes of a graph.</param>
/// <param name="DependentLaunchMicroseconds">Between nodes with programmatic dependent launch.</param>
internal sealed record ReadFigures(string Source, int Multiprocessors, IReadOnlyList<ReadRate> Reads, double LaunchMicroseconds, double DependentLaunchMicroseconds)
{
    private const int Kibibyte = 1024;

    /// <summary>A device's own, measured.</summary>
    public static ReadFigures Of(CalibrationReport report, int multiprocessors)
    {
        double Gap(bool dependent) => report.Launches.Where(gap => gap.IsDependentLaunch == dependent && gap.Blocks == multiprocessors).Select(gap => gap.Microseconds).FirstOrDefault() ?? Hopper.LaunchGap * 1e6;
        return new ReadFigures("measured", multiprocessors,
            [.. report.Reads.Where(read => read.GBs is not null).GroupBy(read => read.BytesInFlight).Select(same => same.MaxBy(read => read.GBs)!).OrderBy(read => read.BytesInFlight)],
            Gap(false), report.Launches.Any(gap => gap.IsDependentLaunch) ? Gap(true) : Gap(false));
    }

    /// <summary>The time model's, of an H100: what is on the way takes <see cref="Hopper.LoadedLatency"/>, up to the read bandwidth.</summary>
    public static ReadFigures Assumed { get; } = new("assumed", Hopper.Processors,
        [.. new[] { 4, 8, 16, 32, 64 }.Select(kilobytes => new ReadRate(0, 0, kilobytes * Kibibyte,
            Math.Min(Hopper.HbmBandwidth * Hopper.HbmReadEfficiency, Hopper.Processors * kilobytes * Kibibyte / Hopper.LoadedLatency) / 1e9))],
        Hopper.LaunchGap * 1e6, Hopper.EarlyLaunchGap * 1e6);

    /// <summary>10⁹ bytes a second with so much under way: between neighbours in proportion, below the least from nothing, above the most no more.</summary>
    public double GBs(double bytesInFlight)
    {
        ReadRate before = new(0, 0, 0, 0);
        foreach (ReadRate rate in Reads)
        {
            if (bytesInFlight <= rate.BytesInFlight)
            {
                double share = (bytesInFlight - before.BytesInFlight) / (rate.BytesInFlight - before.BytesInFlight);
                return before.GBs!.Value + (share * (rate.GBs!.Value - before.GBs.Value));
            }
            before = rate;
        }
        return before.GBs!.Value;
    }

    /// <summary>Microseconds of a kernel that reads so many bytes and does nothing else that takes time.</summary>
    public double Microseconds(double bytes, double bytesInFlight, bool dependent) =>
        (bytes / GBs(bytesInFlight) / 1e3) + (dependent ? DependentLaunchMicroseconds : LaunchMicroseconds);
}
