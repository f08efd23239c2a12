namespace Llama4Kernels.Interop.Cuda;

/// <content>Memory.</content>
public unsafe partial interface ICudaDriver
{
    /// <summary>cuMemGetInfo of the current context's device.</summary>
    CudaResult MemGetInfo(out long free, out long total);

    /// <summary>cuMemAlloc: at least 256-byte aligned.</summary>
    CudaResult MemAlloc(out nint address, nuint bytes);

    /// <summary>cuMemFree.</summary>
    CudaResult MemFree(nint address);

    /// <summary>cuMemAllocAsync, in the order of the stream.</summary>
    CudaResult MemAllocAsync(out nint address, nuint bytes, nint stream);

    /// <summary>cuMemFreeAsync, in the order of the stream.</summary>
    CudaResult MemFreeAsync(nint address, nint stream);

    /// <summary>cuMemHostAlloc, portable to all contexts.</summary>
    CudaResult MemHostAlloc(out nint pointer, nuint bytes);

    /// <summary>cuMemFreeHost.</summary>
    CudaResult MemFreeHost(nint pointer);

    /// <summary>cuMemHostRegister, portable to all contexts: pins memory that exists.</summary>
    CudaResult MemHostRegister(nint pointer, nuint bytes);

    /// <summary>cuMemHostUnregister.</summary>
    CudaResult MemHostUnregister(nint pointer);

    /// <summary>cuMemcpyHtoD.</summary>
    CudaResult MemcpyHtoD(nint destination, void* source, nuint bytes);

    /// <summary>cuMemcpyDtoH.</summary>
    CudaResult MemcpyDtoH(void* destination, nint source, nuint bytes);

    /// <summary>cuMemcpyHtoDAsync.</summary>
    CudaResult MemcpyHtoDAsync(nint destination, void* source, nuint bytes, nint stream);

    /// <summary>cuMemcpyDtoHAsync.</summary>
    CudaResult MemcpyDtoHAsync(void* destination, nint source, nuint bytes, nint stream);

    /// <summary>cuMemcpyDtoDAsync.</summary>
    CudaResult MemcpyDtoDAsync(nint destination, nint source, nuint bytes, nint stream);

    /// <summary>cuMemcpyPeerAsync between two contexts.</summary>
    CudaResult MemcpyPeerAsync(nint destination, nint destinationContext, nint source, nint sourceContext, nuint bytes, nint stream);

    /// <summary>cuMemsetD8Async.</summary>
    CudaResult MemsetD8Async(nint destination, byte value, nuint bytes, nint stream);

    /// <summary>cuPointerGetAttribute: <see cref="CudaResult.InvalidValue"/> for an address that the driver does not know.</summary>
    CudaResult PointerGetAttribute(out long value, CudaPointerAttribute attribute, nint address);

    /// <summary>cuIpcGetMemHandle of an allocation's first address.</summary>
    CudaResult IpcGetMemHandle(out CudaIpcHandle handle, nint address);

    /// <summary>cuIpcOpenMemHandle with lazy peer access.</summary>
    CudaResult IpcOpenMemHandle(out nint address, in CudaIpcHandle handle);

    /// <summary>cuIpcCloseMemHandle.</summary>
    CudaResult IpcCloseMemHandle(nint address);
}
