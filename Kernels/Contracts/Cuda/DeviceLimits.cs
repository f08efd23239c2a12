using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>What choices of kernels depend on: the device's architecture and how much there is of it.</summary>
/// <param name="Name">The device's name.</param>
/// <param name="Sm">Compute capability, 90 for sm_90.</param>
/// <param name="SharedBytes">Most shared memory of a block.</param>
/// <param name="Multiprocessors">Multiprocessors.</param>
public sealed record DeviceLimits(string Name, int Sm, int SharedBytes, int Multiprocessors)
{
    /// <summary>Dynamic shared memory that a kernel may have without being given more.</summary>
    internal const int SharedBytesWithoutAsking = 48 * 1024;

    /// <summary>Devices to ask about without having them. Shared memory of a block: 227 KB on sm_90, 163 on sm_80, 99 on sm_86, 89 and 120.</summary>
    public static IReadOnlyList<DeviceLimits> Known { get; } =
    [
        new("h100", 90, 227 * 1024, 132),
        new("h200", 90, 227 * 1024, 132),
        new("a100", 80, 163 * 1024, 108),
        new("a10", 86, 99 * 1024, 72),
        new("rtx3090", 86, 99 * 1024, 82),
        new("l40s", 89, 99 * 1024, 142),
        new("rtx4090", 89, 99 * 1024, 128),
        new("rtx5090", 120, 99 * 1024, 170),
    ];

    /// <summary>A known device.</summary>
    /// <exception cref="ArgumentException">There is none of that name; the message lists all.</exception>
    public static DeviceLimits Get(string name) => Known.FirstOrDefault(device => string.Equals(device.Name, name, StringComparison.OrdinalIgnoreCase))
        ?? throw new ArgumentException($"There is no device '{name}' to ask about; there are {string.Join(", ", Known.Select(device => device.Name))}.", nameof(name));

    /// <summary>Those of a context's device.</summary>
    public static DeviceLimits Read(CudaContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        int sm = 10 * context.Attribute(CudaDeviceAttribute.ComputeCapabilityMajor) + context.Attribute(CudaDeviceAttribute.ComputeCapabilityMinor);
        context.Check(context.Driver.DeviceGetName(out string name, context.Device), "cuDeviceGetName");
        return new DeviceLimits(name, sm, context.Attribute(CudaDeviceAttribute.MaxSharedMemoryPerBlockOptin), context.Attribute(CudaDeviceAttribute.MultiprocessorCount));
    }
}
