namespace Llama4Kernels.PtxEmulator.Counting;

/// <summary>
/// Predicts a kernel's time on a device, an H100 unless another is named, from what it does: every resource needs its time, they overlap, and the slowest one
/// decides; start and end are added. The constants of <see cref="Hopper"/> were not calibrated on a device: predictions
/// rank variants of a kernel and find what bounds it, they are no measurement. Against published figures it is within 15 %
/// for streaming reads, for fp8 products of few rows and many columns, and for a bf16 product of 8192^3. It is about 20 %
/// fast for fp8 products of 0.1 to 1 ms, whose clock drops although the model keeps it, and for short products of few tiles.
/// </summary>
public static class TimeModel
{
    /// <summary>Writes up to this share of the traffic still count as a kernel that only reads.</summary>
    private const double FewWrites = 0.02;

    /// <summary>The least time in seconds that moving these bytes through a device's memory takes, at the published bandwidth.</summary>
    public static double HbmFloor(double bytes, DeviceFigures? device = null) => bytes / (device ?? DeviceFigures.H100).Bandwidth;

    /// <summary>Predicts the time of a launch.</summary>
    /// <param name="work">What it does.</param>
    /// <param name="device">On what; null for an H100.</param>
    public static TimePrediction Predict(KernelWork work, DeviceFigures? device = null)
    {
        device ??= DeviceFigures.H100;
        ArgumentNullException.ThrowIfNull(work);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(work.Blocks);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(work.ResidentBlocks);
        ArgumentOutOfRangeException.ThrowIfNegative(work.WorkUnits);
        TimePrediction prediction = Predict(work, device, device.Clock);
        return prediction.Bound == "T_tc" && prediction.Total > Hopper.SustainedAfter ? Predict(work, device, device.SustainedClock) : prediction;
    }

    private static TimePrediction Predict(KernelWork work, DeviceFigures device, double clock)
    {
        long units = work.WorkUnits > 0 ? work.WorkUnits : work.Blocks;
        int busy = (int)Math.Min(device.Processors, Math.Min(work.Blocks, units));
        long unitsOfBusiest = (units + busy - 1) / busy;
        // Work of the busiest multiprocessor as a share of the launch's.
        double share = (double)unitsOfBusiest / units;

        double bytes = work.HbmReadBytes + work.HbmWriteBytes;
        double efficiency = work.HbmWriteBytes <= FewWrites * bytes ? Hopper.HbmReadEfficiency : Hopper.HbmMixedEfficiency;
        double l2 = Hopper.L2Efficiency * Math.Min(device.L2BytesPerClock, Hopper.L2BytesPerClockAndProcessor * busy);
        double slots = Max(
            work.Instructions / Hopper.Schedulers,
            work.IntegerInstructions / 2,
            work.FmaInstructions / 4,
            work.SpecialInstructions * 2,
            work.DoubleInstructions * Hopper.WarpThreads / device.DoubleLanes,
            work.MemoryInstructions);
        double tensor = work.Tensor.Sum(part =>
            part.Operations / (device.TensorRate(part.ElementBits) * (part.WarpGroup ? 1 : device.MmaSyncEfficiency)));

        var prediction = new TimePrediction
        {
            Clock = clock,
            Hbm = bytes / (efficiency * device.Bandwidth),
            L2 = work.L2Bytes / (l2 * clock),
            Shared = share * (work.Wavefronts + (work.BulkSharedBytes / Hopper.WavefrontBytes)) / clock,
            Issue = share * slots / clock,
            Tensor = share * tensor / clock,
            Fill = work.BytesInFlight > 0 ? share * bytes * Hopper.LoadedLatency / work.BytesInFlight : 0,
            Ramp = work.EarlyLaunch ? Hopper.EarlyRamp : Hopper.ColdRamp,
            LaunchGap = work.EarlyLaunch ? Hopper.EarlyLaunchGap : Hopper.LaunchGap,
        };
        double pipeline = 0;
        if (work.Pipeline is TensorPipeline ring)
        {
            double fills = (double)ring.TilesPerProcessor * ring.Steps / ring.Stages;
            pipeline = fills > 1 ? Max(prediction.Tensor, prediction.Shared, prediction.L2) * ((1 / (1 - (1 / fills))) - 1)
                : throw new ArgumentException("The pipeline has more stages than steps.", nameof(work));
        }
        // Blocks that are all resident at once end together; what a ragged grid costs is in the share already.
        bool oneWave = units <= (long)busy * work.ResidentBlocks && work.WorkUnits == 0;
        return prediction with { PipelineFill = pipeline, Tail = oneWave ? 0 : prediction.Longest / unitsOfBusiest / 2 };
    }

    private static double Max(params ReadOnlySpan<double> values)
    {
        double most = 0;
        foreach (double value in values)
        {
            most = Math.Max(most, value);
        }
        return most;
    }
}
