namespace Llama4Kernels.Interop.Cuda;

/// <content>Memory.</content>
public sealed unsafe partial class CudaDriver
{
    private const uint HostPortable = 1;
    private const uint IpcLazyPeerAccess = 1;

    /// <inheritdoc/>
    public CudaResult MemGetInfo(out long free, out long total)
    {
        nuint f = 0, t = 0;
        CudaResult result = CudaNative.cuMemGetInfo_v2(&f, &t);
        (free, total) = (checked((long)f), checked((long)t));
        return result;
    }

    /// <inheritdoc/>
    public CudaResult MemAlloc(out nint address, nuint bytes)
    {
        fixed (nint* p = &address)
        {
            return CudaNative.cuMemAlloc_v2(p, bytes);
        }
    }

    /// <inheritdoc/>
    public CudaResult MemFree(nint address) => CudaNative.cuMemFree_v2(address);

    /// <inheritdoc/>
    public CudaResult MemAllocAsync(out nint address, nuint bytes, nint stream)
    {
        fixed (nint* p = &address)
        {
            return CudaNative.cuMemAllocAsync(p, bytes, stream);
        }
    }

    /// <inheritdoc/>
    public CudaResult MemFreeAsync(nint address, nint stream) => CudaNative.cuMemFreeAsync(address, stream);

    /// <inheritdoc/>
    public CudaResult MemHostAlloc(out nint pointer, nuint bytes)
    {
        fixed (nint* p = &pointer)
        {
            return CudaNative.cuMemHostAlloc(p, bytes, HostPortable);
        }
    }

    /// <inheritdoc/>
    public CudaResult MemFreeHost(nint pointer) => CudaNative.cuMemFreeHost(pointer);

    /// <inheritdoc/>
    public CudaResult MemHostRegister(nint pointer, nuint bytes) => CudaNative.cuMemHostRegister_v2(pointer, bytes, HostPortable);

    /// <inheritdoc/>
    public CudaResult MemHostUnregister(nint pointer) => CudaNative.cuMemHostUnregister(pointer);

    /// <inheritdoc/>
    public CudaResult MemcpyHtoD(nint destination, void* source, nuint bytes) => CudaNative.cuMemcpyHtoD_v2(destination, source, bytes);

    /// <inheritdoc/>
    public CudaResult MemcpyDtoH(void* destination, nint source, nuint bytes) => CudaNative.cuMemcpyDtoH_v2(destination, source, bytes);

    /// <inheritdoc/>
    public CudaResult MemcpyHtoDAsync(nint destination, void* source, nuint bytes, nint stream) =>
        CudaNative.cuMemcpyHtoDAsync_v2(destination, source, bytes, stream);

    /// <inheritdoc/>
    public CudaResult MemcpyDtoHAsync(void* destination, nint source, nuint bytes, nint stream) =>
        CudaNative.cuMemcpyDtoHAsync_v2(destination, source, bytes, stream);

    /// <inheritdoc/>
    public CudaResult MemcpyDtoDAsync(nint destination, nint source, nuint bytes, nint stream) =>
        CudaNative.cuMemcpyDtoDAsync_v2(destination, source, bytes, stream);

    /// <inheritdoc/>
    public CudaResult MemcpyPeerAsync(nint destination, nint destinationContext, nint source, nint sourceContext, nuint bytes, nint stream) =>
        CudaNative.cuMemcpyPeerAsync(destination, destinationContext, source, sourceContext, bytes, stream);

    /// <inheritdoc/>
    public CudaResult MemsetD8Async(nint destination, byte value, nuint bytes, nint stream) =>
        CudaNative.cuMemsetD8Async(destination, value, bytes, stream);

    /// <inheritdoc/>
    public CudaResult PointerGetAttribute(out long value, CudaPointerAttribute attribute, nint address)
    {
        // Answers have 1, 4 or 8 bytes; what is not written stays zero.
        long answer = 0;
        CudaResult result = CudaNative.cuPointerGetAttribute(&answer, attribute, address);
        value = answer;
        return result;
    }

    /// <inheritdoc/>
    public CudaResult IpcGetMemHandle(out CudaIpcHandle handle, nint address)
    {
        fixed (CudaIpcHandle* p = &handle)
        {
            return CudaNative.cuIpcGetMemHandle(p, address);
        }
    }

    /// <inheritdoc/>
    public CudaResult IpcOpenMemHandle(out nint address, in CudaIpcHandle handle)
    {
        fixed (nint* p = &address)
        {
            return CudaNative.cuIpcOpenMemHandle_v2(p, handle, IpcLazyPeerAccess);
        }
    }

    /// <inheritdoc/>
    public CudaResult IpcCloseMemHandle(nint address) => CudaNative.cuIpcCloseMemHandle(address);
}
