namespace Llama4Kernels.Interop.Cuda;

/// <summary>What a driver tells about a device.</summary>
/// <param name="Ordinal">Its number, from 0.</param>
/// <param name="Name">Its name.</param>
/// <param name="Uuid">Its identity.</param>
/// <param name="MemoryBytes">Its memory.</param>
/// <param name="ComputeMajor">The 9 of sm_90.</param>
/// <param name="ComputeMinor">The 0 of sm_90.</param>
/// <param name="Multiprocessors">Number of multiprocessors.</param>
/// <param name="SharedBytesPerBlock">Shared memory that a block can opt in to.</param>
/// <param name="L2Bytes">Second-level cache.</param>
public sealed record CudaDeviceInfo(
    int Ordinal, string Name, Guid Uuid, long MemoryBytes, int ComputeMajor, int ComputeMinor, int Multiprocessors, int SharedBytesPerBlock, int L2Bytes)
{
    /// <summary>The PTX target of the device, without suffix: <c>sm_90</c>.</summary>
    public string Target => $"sm_{ComputeMajor}{ComputeMinor}";

    /// <summary>All devices of a driver.</summary>
    /// <exception cref="CudaException">The driver refuses to tell.</exception>
    public static IReadOnlyList<CudaDeviceInfo> List(ICudaDriver driver)
    {
        ArgumentNullException.ThrowIfNull(driver);
        Check(driver.DeviceGetCount(out int count), "cuDeviceGetCount");
        return [.. Enumerable.Range(0, count).Select(ordinal => Read(driver, ordinal))];
    }

    /// <summary>One device.</summary>
    /// <exception cref="CudaException">There is no such device.</exception>
    public static CudaDeviceInfo Read(ICudaDriver driver, int ordinal)
    {
        ArgumentNullException.ThrowIfNull(driver);
        Check(driver.DeviceGet(out int device, ordinal), $"cuDeviceGet({ordinal})");
        Check(driver.DeviceGetName(out string name, device), "cuDeviceGetName");
        Check(driver.DeviceGetUuid(out Guid uuid, device), "cuDeviceGetUuid");
        Check(driver.DeviceTotalMem(out long bytes, device), "cuDeviceTotalMem");
        int Attribute(CudaDeviceAttribute attribute)
        {
            Check(driver.DeviceGetAttribute(out int value, attribute, device), $"cuDeviceGetAttribute({attribute})");
            return value;
        }
        return new CudaDeviceInfo(
            ordinal,
            name,
            uuid,
            bytes,
            Attribute(CudaDeviceAttribute.ComputeCapabilityMajor),
            Attribute(CudaDeviceAttribute.ComputeCapabilityMinor),
            Attribute(CudaDeviceAttribute.MultiprocessorCount),
            Attribute(CudaDeviceAttribute.MaxSharedMemoryPerBlockOptin),
            Attribute(CudaDeviceAttribute.L2CacheSize));
    }

    private static void Check(CudaResult result, string call)
    {
        if (result != CudaResult.Success)
        {
            throw new CudaException(result, call);
        }
    }
}
