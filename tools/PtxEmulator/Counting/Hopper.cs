namespace Llama4Kernels.PtxEmulator.Counting;

/// <summary>What an H100 SXM5 has, in the units of the time model. Published or assumed figures; none was measured here.</summary>
public static class Hopper
{
    /// <summary>Streaming multiprocessors.</summary>
    public const int Processors = 132;

    /// <summary>Threads of a warp.</summary>
    public const int WarpThreads = 32;

    /// <summary>Warps that a multiprocessor holds.</summary>
    public const int Warps = 64;

    /// <summary>Blocks that a multiprocessor holds.</summary>
    public const int Blocks = 32;

    /// <summary>Schedulers of a multiprocessor: warp instructions it starts per clock.</summary>
    public const int Schedulers = 4;

    /// <summary>32-bit registers of a multiprocessor.</summary>
    public const int Registers = 65_536;

    /// <summary>Registers that a thread can have.</summary>
    public const int RegistersPerThread = 255;

    /// <summary>Registers are given out to a warp in units of this.</summary>
    public const int RegisterUnit = 256;

    /// <summary>Bytes of shared memory of a multiprocessor.</summary>
    public const int SharedBytes = 233_472;

    /// <summary>Bytes of shared memory that every block costs beyond its own.</summary>
    public const int SharedReserve = 1024;

    /// <summary>Shared memory is given out in units of this many bytes.</summary>
    public const int SharedUnit = 128;

    /// <summary>Bytes that shared memory moves in a clock: one wavefront.</summary>
    public const int WavefrontBytes = 128;

    /// <summary>Bytes of a sector.</summary>
    public const int SectorBytes = 32;

    /// <summary>Bytes per second of HBM3.</summary>
    public const double HbmBandwidth = 3.35e12;

    /// <summary>Share of <see cref="HbmBandwidth"/> that a kernel reaches which only reads.</summary>
    public const double HbmReadEfficiency = 0.92;

    /// <summary>Share of <see cref="HbmBandwidth"/> with reads and writes mixed.</summary>
    public const double HbmMixedEfficiency = 0.88;

    /// <summary>Bytes per clock from L2 to all multiprocessors.</summary>
    public const double L2BytesPerClock = 6000;

    /// <summary>Bytes per clock from L2 to one multiprocessor.</summary>
    public const double L2BytesPerClockAndProcessor = 64;

    /// <summary>Share of the L2 figures that is reached.</summary>
    public const double L2Efficiency = 0.8;

    /// <summary>Seconds from a load to its data under load.</summary>
    public const double LoadedLatency = 0.65e-6;

    /// <summary>Share of the tensor peak that <c>mma.sync</c> reaches; <c>wgmma</c> reaches all.</summary>
    public const double MmaSyncEfficiency = 0.62;

    /// <summary>Clock in hertz of a kernel bound by memory.</summary>
    public const double Clock = 1.755e9;

    /// <summary>Clock in hertz under long tensor load, where power limits it.</summary>
    public const double SustainedClock = 1.5e9;

    /// <summary>Seconds of tensor load after which <see cref="SustainedClock"/> holds.</summary>
    public const double SustainedAfter = 1e-3;

    /// <summary>Seconds until a kernel's first data is there.</summary>
    public const double ColdRamp = 1.0e-6;

    /// <summary>The same with a programmatic dependent launch that fetches early.</summary>
    public const double EarlyRamp = 0.4e-6;

    /// <summary>Seconds between two plain nodes of a graph.</summary>
    public const double LaunchGap = 1.2e-6;

    /// <summary>Seconds between two nodes with programmatic dependent launch.</summary>
    public const double EarlyLaunchGap = 0.5e-6;

    /// <summary>Dense operations per clock and multiprocessor on the tensor cores, at full rate.</summary>
    /// <param name="bits">Bits of an operand's element: 8, 16, 32 for tf32, 64.</param>
    public static int TensorOperationsPerClock(int bits) => bits switch
    {
        8 => 8192,
        16 => 4096,
        32 => 2048,
        64 => 256,
        _ => throw new ArgumentOutOfRangeException(nameof(bits), bits, "Tensor cores take elements of 8, 16, 32 or 64 bits."),
    };

    /// <summary>Blocks that one multiprocessor holds at once; 0 if not even one fits.</summary>
    /// <param name="threads">Threads of a block.</param>
    /// <param name="registers">Registers of a thread.</param>
    /// <param name="sharedBytes">Static and dynamic shared memory of a block.</param>
    public static int ResidentBlocks(int threads, int registers, int sharedBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(threads);
        ArgumentOutOfRangeException.ThrowIfNegative(registers);
        ArgumentOutOfRangeException.ThrowIfNegative(sharedBytes);
        int warps = RoundUp(threads, WarpThreads) / WarpThreads;
        int blocks = Math.Min(Blocks, Warps / warps);
        blocks = Math.Min(blocks, SharedBytes / RoundUp(sharedBytes + SharedReserve, SharedUnit));
        if (registers > 0)
        {
            // Each scheduler owns a quarter of the registers.
            int perScheduler = Registers / Schedulers / RoundUp(registers * WarpThreads, RegisterUnit);
            blocks = registers > RegistersPerThread ? 0 : Math.Min(blocks, perScheduler * Schedulers / warps);
        }
        return blocks;
    }

    /// <summary>Registers of a thread with which one block of these threads still fits.</summary>
    /// <param name="threads">Threads of a block.</param>
    public static int MostRegisters(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(threads);
        int warpsPerScheduler = RoundUp(RoundUp(threads, WarpThreads) / WarpThreads, Schedulers) / Schedulers;
        return Math.Min(RegistersPerThread, Registers / Schedulers / warpsPerScheduler / RegisterUnit * RegisterUnit / WarpThreads);
    }

    private static int RoundUp(int value, int unit) => (value + unit - 1) / unit * unit;
}
