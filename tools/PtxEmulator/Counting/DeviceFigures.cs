using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.PtxEmulator.Counting;

/// <summary>
/// A device in the units of the time model. Bandwidths, clocks, peaks and memory are from the data sheets; what no sheet says is taken from the
/// H100's (<see cref="Hopper"/>) or assumed, and none was measured here.
/// </summary>
public sealed record DeviceFigures
{
    private const long Gibibyte = 1L << 30;

    /// <summary>Its short name.</summary>
    public required string Name { get; init; }

    /// <summary>Compute capability, 90 for sm_90.</summary>
    public required int Sm { get; init; }

    /// <summary>Streaming multiprocessors.</summary>
    public required int Processors { get; init; }

    /// <summary>Bytes of memory.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Bytes per second of its memory.</summary>
    public required double Bandwidth { get; init; }

    /// <summary>Bytes per clock from L2 to all multiprocessors.</summary>
    public required double L2BytesPerClock { get; init; }

    /// <summary>Dense operations per clock and multiprocessor on 16-bit elements with float32 sums.</summary>
    public required int TensorOperationsPerClock { get; init; }

    /// <summary>Share of the tensor peak that <c>mma.sync</c> reaches: all of it before and beside Hopper.</summary>
    public double MmaSyncEfficiency { get; init; } = 1;

    /// <summary>Dense operations per second on 16-bit elements, as published.</summary>
    public required double TensorPeak { get; init; }

    /// <summary>float64 lanes of a multiprocessor.</summary>
    public int DoubleLanes { get; init; } = 2;

    /// <summary>Clock in hertz of a kernel bound by memory.</summary>
    public required double Clock { get; init; }

    /// <summary>Clock in hertz under long tensor load, where power limits it.</summary>
    public double SustainedClock { get; init; }

    /// <summary>H100 SXM5, 80 GB.</summary>
    public static DeviceFigures H100 { get; } = new()
    {
        Name = "h100",
        Sm = 90,
        Processors = Hopper.Processors,
        MemoryBytes = 80 * Gibibyte,
        Bandwidth = Hopper.HbmBandwidth,
        L2BytesPerClock = Hopper.L2BytesPerClock,
        TensorOperationsPerClock = Hopper.TensorOperationsPerClock(16),
        MmaSyncEfficiency = Hopper.MmaSyncEfficiency,
        TensorPeak = 989.4e12,
        DoubleLanes = 64,
        Clock = Hopper.Clock,
        SustainedClock = Hopper.SustainedClock,
    };

    /// <summary>The devices that there are figures of.</summary>
    public static IReadOnlyList<DeviceFigures> Known { get; } =
    [
        H100,
        H100 with { Name = "h200", Bandwidth = 4.8e12, MemoryBytes = 140 * Gibibyte },
        new()
        {
            Name = "a100", Sm = 80, Processors = 108, MemoryBytes = 80 * Gibibyte, Bandwidth = 2.039e12, L2BytesPerClock = 5120,
            TensorOperationsPerClock = 2048, TensorPeak = 312e12, DoubleLanes = 32, Clock = 1.41e9, SustainedClock = 1.3e9,
        },
        Graphics("a10", 86, 72, 22, 0.6e12, 1024, 125e12, 1.695e9),
        Graphics("rtx3090", 86, 82, 24, 0.936e12, 512, 71e12, 1.695e9),
        Graphics("l40s", 89, 142, 44, 0.864e12, 1024, 362e12, 2.52e9),
        Graphics("rtx4090", 89, 128, 24, 1.008e12, 512, 165.2e12, 2.52e9),
        Graphics("rtx5090", 120, 170, 31, 1.792e12, 512, 209.5e12, 2.407e9),
    ];

    /// <summary>Figures of a device.</summary>
    /// <exception cref="ArgumentException">There are none of that name; the message lists all.</exception>
    public static DeviceFigures Get(string name) => Known.FirstOrDefault(device => string.Equals(device.Name, name, StringComparison.OrdinalIgnoreCase))
        ?? throw new ArgumentException($"There are no figures of a device '{name}'; there are those of {string.Join(", ", Known.Select(device => device.Name))}.", nameof(name));

    /// <summary>Dense operations per clock and multiprocessor.</summary>
    /// <param name="bits">Bits of an operand's element: 8, 16, 32 for tf32, 64.</param>
    public double TensorRate(int bits) => (double)TensorOperationsPerClock * Hopper.TensorOperationsPerClock(bits) / Hopper.TensorOperationsPerClock(16);

    /// <summary>Blocks that one multiprocessor holds at once; 0 if not even one fits.</summary>
    /// <param name="threads">Threads of a block.</param>
    /// <param name="registers">Registers of a thread.</param>
    /// <param name="sharedBytes">Static and dynamic shared memory of a block.</param>
    public int ResidentBlocks(int threads, int registers, int sharedBytes) => DeviceLimits.Of(Sm).Occupancy(threads, registers, sharedBytes);

    /// <summary>Devices with GDDR memory: for L2 16 bytes per clock and multiprocessor are assumed.</summary>
    private static DeviceFigures Graphics(string name, int sm, int processors, int gibibytes, double bandwidth, int tensor, double peak, double clock) => new()
    {
        Name = name,
        Sm = sm,
        Processors = processors,
        MemoryBytes = gibibytes * Gibibyte,
        Bandwidth = bandwidth,
        L2BytesPerClock = 16.0 * processors,
        TensorOperationsPerClock = tensor,
        TensorPeak = peak,
        Clock = clock,
        SustainedClock = clock,
    };
}
