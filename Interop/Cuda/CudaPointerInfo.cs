namespace Llama4Kernels.Interop.Cuda;

/// <summary>What the driver knows about an address.</summary>
/// <param name="IsDevice">Memory of a device; false for pinned memory of the host.</param>
/// <param name="IsManaged">Memory that moves between host and devices by itself.</param>
/// <param name="Ordinal">Number of the device it belongs to or was pinned for.</param>
/// <param name="Start">First address of the allocation around it.</param>
/// <param name="Bytes">Size of that allocation.</param>
public readonly record struct CudaPointerInfo(bool IsDevice, bool IsManaged, int Ordinal, nint Start, long Bytes);
