using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.PtxEmulator.Driver;

/// <summary>Numbers of a generation of devices, from NVIDIA's table of compute capabilities and the data sheets.</summary>
/// <param name="Capability">10·major + minor.</param>
/// <param name="Multiprocessors">Of the largest product: GPUs of one generation differ.</param>
/// <param name="Warps">Warps of a multiprocessor.</param>
/// <param name="Blocks">Blocks of a multiprocessor.</param>
/// <param name="SharedBytes">Shared memory of a multiprocessor.</param>
/// <param name="L2Bytes">Second-level cache.</param>
/// <param name="BusBits">Width of the memory bus.</param>
internal sealed record DeviceLimits(int Capability, int Multiprocessors, int Warps, int Blocks, int SharedBytes, int L2Bytes, int BusBits)
{
    public const int WarpSize = 32;
    public const int ThreadsPerBlock = 1024;
    public const int SharedPerBlock = 48 * 1024;
    public const int RegistersPerThread = 255;
    private const int Registers = 65536;
    private const int ReservedShared = 1024;

    private static readonly DeviceLimits[] s_known =
    [
        new(80, 108, 64, 32, 164 * 1024, 40 << 20, 5120),
        new(86, 84, 48, 16, 100 * 1024, 6 << 20, 384),
        new(89, 128, 48, 24, 100 * 1024, 72 << 20, 384),
        new(90, 132, 64, 32, 228 * 1024, 50 << 20, 5120),
        new(100, 148, 64, 32, 228 * 1024, 126 << 20, 8192),
        new(120, 170, 48, 32, 100 * 1024, 96 << 20, 512),
    ];

    public static int[] Capabilities { get; } = [.. s_known.Select(known => known.Capability)];

    public int Major => Capability / 10;

    /// <summary>Shared memory of a block that opts in.</summary>
    public int SharedPerBlockOptin => SharedBytes - ReservedShared;

    /// <exception cref="ArgumentOutOfRangeException">No such generation is known.</exception>
    public static DeviceLimits Of(int capability) => s_known.FirstOrDefault(limits => limits.Capability == capability)
        ?? throw new ArgumentOutOfRangeException(nameof(capability), capability, $"Devices are emulated for {string.Join(", ", Capabilities)}.");

    public bool TryAttribute(CudaDeviceAttribute attribute, out int value)
    {
        int? known = attribute switch
        {
            CudaDeviceAttribute.MaxThreadsPerBlock => ThreadsPerBlock,
            CudaDeviceAttribute.MaxSharedMemoryPerBlock => SharedPerBlock,
            CudaDeviceAttribute.WarpSize => WarpSize,
            CudaDeviceAttribute.MultiprocessorCount => Multiprocessors,
            CudaDeviceAttribute.MemoryBusWidth => BusBits,
            CudaDeviceAttribute.L2CacheSize => L2Bytes,
            CudaDeviceAttribute.MaxThreadsPerMultiprocessor => Warps * WarpSize,
            CudaDeviceAttribute.ComputeCapabilityMajor => Major,
            CudaDeviceAttribute.ComputeCapabilityMinor => Capability % 10,
            CudaDeviceAttribute.MaxSharedMemoryPerMultiprocessor => SharedBytes,
            CudaDeviceAttribute.MaxRegistersPerMultiprocessor => Registers,
            CudaDeviceAttribute.CooperativeLaunch or CudaDeviceAttribute.MemoryPoolsSupported => 1,
            CudaDeviceAttribute.MaxSharedMemoryPerBlockOptin => SharedPerBlockOptin,
            // Clusters are not emulated.
            CudaDeviceAttribute.ClusterLaunch => 0,
            CudaDeviceAttribute.TensorMapAccessSupported => Major >= 9 ? 1 : 0,
            _ => null,
        };
        value = known ?? 0;
        return known is not null;
    }

    /// <summary>Registers a kernel gets: the assembler spills what would not let a whole block run.</summary>
    public static int RegistersOf(int declared, int maxThreads, int? limit) =>
        Math.Min(Math.Clamp(declared, 16, Math.Min(RegistersPerThread, Registers / Math.Max(maxThreads, WarpSize) & ~7)), Math.Max(16, limit ?? RegistersPerThread));

    /// <summary>Blocks that a multiprocessor holds: limited by blocks, warps, registers (units of 256 a warp) and shared memory (units of 128).</summary>
    public int Occupancy(int threads, int registers, long sharedBytes)
    {
        int warps = (threads + WarpSize - 1) / WarpSize;
        int registersOfWarp = (registers * WarpSize + 255) & ~255;
        long shared = ((sharedBytes + 127) & ~127L) + ReservedShared;
        return (int)Math.Min(Math.Min(Blocks, Warps / warps), Math.Min(Registers / registersOfWarp / warps, SharedBytes / shared));
    }
}
