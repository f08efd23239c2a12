namespace Llama4Kernels.Interop.Cuda;

/// <summary>What can be asked about an address (CUpointer_attribute).</summary>
public enum CudaPointerAttribute
{
    /// <summary>The context it was allocated in.</summary>
    Context = 1,

    /// <summary>1 for memory of the host, 2 for a device's.</summary>
    MemoryType = 2,

    /// <summary>The address that kernels use.</summary>
    DevicePointer = 3,

    /// <summary>The address that the host uses.</summary>
    HostPointer = 4,

    /// <summary>1 for managed memory.</summary>
    IsManaged = 8,

    /// <summary>Number of the device.</summary>
    DeviceOrdinal = 9,

    /// <summary>First address of the allocation.</summary>
    RangeStart = 11,

    /// <summary>Bytes of the allocation.</summary>
    RangeSize = 12,
}
