using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Cuda;

/// <summary>The driver's functions. Their library is found by <see cref="CudaLibrary"/>; without one, none of them may be called.</summary>
internal static unsafe partial class CudaNative
{
    private const string Lib = CudaLibrary.Name;

    [LibraryImport(Lib)]
    internal static partial CudaResult cuInit(uint flags);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuDriverGetVersion(int* version);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuDeviceGetCount(int* count);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuDeviceGet(int* device, int ordinal);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuDeviceGetName(byte* name, int length, int device);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuDeviceGetUuid_v2(byte* uuid, int device);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuDeviceTotalMem_v2(nuint* bytes, int device);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuDeviceGetAttribute(int* value, CudaDeviceAttribute attribute, int device);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuDeviceCanAccessPeer(int* can, int device, int peer);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuDevicePrimaryCtxRetain(nint* context, int device);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuDevicePrimaryCtxRelease_v2(int device);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuCtxSetCurrent(nint context);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuCtxGetCurrent(nint* context);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuCtxGetDevice(int* device);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuCtxSynchronize();

    [LibraryImport(Lib)]
    internal static partial CudaResult cuCtxEnablePeerAccess(nint peer, uint flags);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuModuleLoadDataEx(nint* module, byte* image, uint count, int* options, void** values);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuModuleUnload(nint module);

    [LibraryImport(Lib, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial CudaResult cuModuleGetFunction(nint* function, nint module, string name);

    [LibraryImport(Lib, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial CudaResult cuModuleGetGlobal_v2(nint* address, nuint* bytes, nint module, string name);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuLinkCreate_v2(uint count, int* options, void** values, nint* linker);

    [LibraryImport(Lib, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial CudaResult cuLinkAddData_v2(
        nint linker, CudaLinkInput type, byte* data, nuint bytes, string name, uint count, int* options, void** values);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuLinkComplete(nint linker, void** image, nuint* bytes);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuLinkDestroy(nint linker);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuFuncGetAttribute(int* value, CudaFunctionAttribute attribute, nint function);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuFuncSetAttribute(nint function, CudaFunctionAttribute attribute, int value);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, nint function, int blockSize, nuint dynamicBytes);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuLaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes, nint stream, void** arguments, void** extra);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuLaunchKernelEx(LaunchConfig* config, nint function, void** arguments, void** extra);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuTensorMapEncodeTiled(
        byte* map, CudaTensorType type, uint rank, nint address, ulong* extents, ulong* strides, uint* box, uint* elementStrides,
        int interleave, CudaTensorSwizzle swizzle, CudaTensorPromotion promotion, int outOfBoundsFill);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuMemGetInfo_v2(nuint* free, nuint* total);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuMemAlloc_v2(nint* address, nuint bytes);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuMemFree_v2(nint address);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuMemAllocAsync(nint* address, nuint bytes, nint stream);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuMemFreeAsync(nint address, nint stream);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuMemHostAlloc(nint* pointer, nuint bytes, uint flags);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuMemFreeHost(nint pointer);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuMemHostRegister_v2(nint pointer, nuint bytes, uint flags);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuMemHostUnregister(nint pointer);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuMemcpyHtoD_v2(nint destination, void* source, nuint bytes);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuMemcpyDtoH_v2(void* destination, nint source, nuint bytes);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuMemcpyHtoDAsync_v2(nint destination, void* source, nuint bytes, nint stream);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuMemcpyDtoHAsync_v2(void* destination, nint source, nuint bytes, nint stream);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuMemcpyDtoDAsync_v2(nint destination, nint source, nuint bytes, nint stream);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuMemcpyPeerAsync(nint destination, nint destinationContext, nint source, nint sourceContext, nuint bytes, nint stream);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuMemsetD8Async(nint destination, byte value, nuint bytes, nint stream);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuPointerGetAttribute(void* data, CudaPointerAttribute attribute, nint address);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuIpcGetMemHandle(CudaIpcHandle* handle, nint address);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuIpcOpenMemHandle_v2(nint* address, CudaIpcHandle handle, uint flags);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuIpcCloseMemHandle(nint address);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuStreamCreateWithPriority(nint* stream, uint flags, int priority);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuStreamDestroy_v2(nint stream);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuStreamSynchronize(nint stream);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuStreamQuery(nint stream);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuStreamWaitEvent(nint stream, nint @event, uint flags);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuLaunchHostFunc(nint stream, delegate* unmanaged<nint, void> function, nint argument);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuStreamIsCapturing(nint stream, int* status);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuEventCreate(nint* @event, uint flags);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuEventDestroy_v2(nint @event);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuEventRecord(nint @event, nint stream);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuEventQuery(nint @event);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuEventSynchronize(nint @event);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuEventElapsedTime(float* milliseconds, nint start, nint end);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuStreamBeginCapture_v2(nint stream, int mode);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuStreamEndCapture(nint stream, nint* graph);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuGraphDestroy(nint graph);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuGraphGetNodes(nint graph, nint* nodes, nuint* count);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuGraphNodeGetType(nint node, int* type);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuGraphInstantiateWithFlags(nint* executable, nint graph, ulong flags);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuGraphExecDestroy(nint executable);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuGraphLaunch(nint executable, nint stream);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuGraphExecUpdate_v2(nint executable, nint graph, GraphUpdateResult* result);

    [LibraryImport(Lib)]
    internal static partial CudaResult cuGraphExecKernelNodeSetParams_v2(nint executable, nint node, KernelNodeParameters* parameters);
}
