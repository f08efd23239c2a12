using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Tests.Interop.Cuda;

/// <content>Memory, streams, events and graphs.</content>
internal sealed unsafe partial class RecordingDriver
{
    /// <summary>What the next graph update answers as its reason.</summary>
    public int UpdateReason { get; set; }

    public CudaResult MemGetInfo(out long free, out long total)
    {
        (free, total) = (3, 4);
        return InContext(nameof(MemGetInfo));
    }

    public CudaResult MemAlloc(out nint address, nuint bytes) => MakeMemory("memory", out address, bytes, nameof(MemAlloc), bytes);

    public CudaResult MemFree(nint address) => DropMemory("memory", address, nameof(MemFree));

    public CudaResult MemAllocAsync(out nint address, nuint bytes, nint stream) => MakeMemory("pooled", out address, bytes, nameof(MemAllocAsync), bytes, stream);

    public CudaResult MemFreeAsync(nint address, nint stream) => DropMemory("pooled", address, nameof(MemFreeAsync), stream);

    public CudaResult MemHostAlloc(out nint pointer, nuint bytes) => MakeMemory("pinned", out pointer, bytes, nameof(MemHostAlloc), bytes);

    public CudaResult MemFreeHost(nint pointer) => DropMemory("pinned", pointer, nameof(MemFreeHost));

    public CudaResult MemHostRegister(nint pointer, nuint bytes)
    {
        Own("registered", pointer);
        return InContext(nameof(MemHostRegister), bytes);
    }

    public CudaResult MemHostUnregister(nint pointer) => Drop("registered", pointer, nameof(MemHostUnregister));

    public CudaResult MemcpyHtoD(nint destination, void* source, nuint bytes) => CopyBytes((void*)destination, source, bytes, nameof(MemcpyHtoD));

    public CudaResult MemcpyDtoH(void* destination, nint source, nuint bytes) => CopyBytes(destination, (void*)source, bytes, nameof(MemcpyDtoH));

    public CudaResult MemcpyHtoDAsync(nint destination, void* source, nuint bytes, nint stream) =>
        CopyBytes((void*)destination, source, bytes, nameof(MemcpyHtoDAsync), stream);

    public CudaResult MemcpyDtoHAsync(void* destination, nint source, nuint bytes, nint stream) =>
        CopyBytes(destination, (void*)source, bytes, nameof(MemcpyDtoHAsync), stream);

    public CudaResult MemcpyDtoDAsync(nint destination, nint source, nuint bytes, nint stream) =>
        CopyBytes((void*)destination, (void*)source, bytes, nameof(MemcpyDtoDAsync), stream);

    public CudaResult MemcpyPeerAsync(nint destination, nint destinationContext, nint source, nint sourceContext, nuint bytes, nint stream) =>
        CopyBytes((void*)destination, (void*)source, bytes, nameof(MemcpyPeerAsync), destinationContext, sourceContext, stream);

    public CudaResult MemsetD8Async(nint destination, byte value, nuint bytes, nint stream)
    {
        NativeMemory.Fill((void*)destination, bytes, value);
        return InContext(nameof(MemsetD8Async), stream);
    }

    /// <summary>Pinned memory of 64 bytes at 0x5000; other addresses are unknown.</summary>
    public CudaResult PointerGetAttribute(out long value, CudaPointerAttribute attribute, nint address)
    {
        CudaResult result = InContext(nameof(PointerGetAttribute), attribute);
        value = attribute switch
        {
            CudaPointerAttribute.MemoryType or CudaPointerAttribute.DeviceOrdinal => 1,
            CudaPointerAttribute.RangeStart => 0x5000,
            CudaPointerAttribute.RangeSize => 64,
            _ => 0,
        };
        return address is >= 0x5000 and < 0x5040 ? result : CudaResult.InvalidValue;
    }

    public CudaResult IpcGetMemHandle(out CudaIpcHandle handle, nint address)
    {
        handle = default;
        MemoryMarshal.Write(handle.Bytes, address);
        return InContext(nameof(IpcGetMemHandle));
    }

    public CudaResult IpcOpenMemHandle(out nint address, in CudaIpcHandle handle)
    {
        CudaIpcHandle copy = handle;
        address = MemoryMarshal.Read<nint>(copy.Bytes);
        Own("imported", address);
        return InContext(nameof(IpcOpenMemHandle));
    }

    public CudaResult IpcCloseMemHandle(nint address) => Drop("imported", address, nameof(IpcCloseMemHandle));

    public CudaResult StreamCreate(out nint stream, int priority) => Make("stream", out stream, nameof(StreamCreate), priority);

    public CudaResult StreamDestroy(nint stream) => Drop("stream", stream, nameof(StreamDestroy));

    public CudaResult StreamSynchronize(nint stream) => InContext(nameof(StreamSynchronize), stream);

    public CudaResult StreamQuery(nint stream) => InContext(nameof(StreamQuery), stream);

    public CudaResult StreamWaitEvent(nint stream, nint @event) => InContext(nameof(StreamWaitEvent), stream, @event);

    /// <summary>What was given to the last <see cref="LaunchHostFunc"/>, for a test to call as the driver's thread would.</summary>
    public (nint Function, nint Argument) HostFunction { get; private set; }

    public bool IsCapturing { get; set; }

    public CudaResult LaunchHostFunc(nint stream, delegate* unmanaged<nint, void> function, nint argument)
    {
        HostFunction = ((nint)function, argument);
        return InContext(nameof(LaunchHostFunc), stream);
    }

    public CudaResult StreamIsCapturing(nint stream, out bool capturing)
    {
        capturing = IsCapturing;
        return InContext(nameof(StreamIsCapturing), stream);
    }

    public CudaResult EventCreate(out nint @event, bool timing) => Make("event", out @event, nameof(EventCreate), timing);

    public CudaResult EventDestroy(nint @event) => Drop("event", @event, nameof(EventDestroy));

    public CudaResult EventRecord(nint @event, nint stream) => InContext(nameof(EventRecord), @event, stream);

    public CudaResult EventQuery(nint @event) => InContext(nameof(EventQuery), @event);

    public CudaResult EventSynchronize(nint @event) => InContext(nameof(EventSynchronize), @event);

    public CudaResult EventElapsedTime(out float milliseconds, nint start, nint end)
    {
        milliseconds = end - start;
        return InContext(nameof(EventElapsedTime), start, end);
    }

    public CudaResult StreamBeginCapture(nint stream) => InContext(nameof(StreamBeginCapture), stream);

    public CudaResult StreamEndCapture(nint stream, out nint graph) => Make("graph", out graph, nameof(StreamEndCapture), stream);

    public CudaResult GraphDestroy(nint graph) => Drop("graph", graph, nameof(GraphDestroy));

    public CudaResult GraphGetKernelNodes(nint graph, out nint[] nodes)
    {
        nodes = [graph + 1, graph + 2];
        return InContext(nameof(GraphGetKernelNodes));
    }

    public CudaResult GraphInstantiate(out nint executable, nint graph) => Make("executable", out executable, nameof(GraphInstantiate), graph);

    public CudaResult GraphExecDestroy(nint executable) => Drop("executable", executable, nameof(GraphExecDestroy));

    public CudaResult GraphLaunch(nint executable, nint stream) => InContext(nameof(GraphLaunch), executable, stream);

    public CudaResult GraphExecUpdate(nint executable, nint graph, out int reason)
    {
        reason = UpdateReason;
        return InContext(nameof(GraphExecUpdate), executable, graph);
    }

    public CudaResult GraphExecKernelNodeSetParams(nint executable, nint node, nint function, in CudaLaunchConfig config, void** arguments) =>
        InContext(nameof(GraphExecKernelNodeSetParams), node, function, config.Grid, *(ulong*)arguments[0]);

    private CudaResult MakeMemory(string kind, out nint address, nuint bytes, string function, params object[] arguments)
    {
        CudaResult result = InContext(function, arguments);
        address = 0;
        if (result == CudaResult.Success)
        {
            address = (nint)NativeMemory.AlignedAlloc(bytes, 256);
            Own(kind, address);
        }
        return result;
    }

    private CudaResult DropMemory(string kind, nint address, string function, params object[] arguments)
    {
        CudaResult result = Drop(kind, address, function, arguments);
        if (result == CudaResult.Success)
        {
            NativeMemory.AlignedFree((void*)address);
        }
        return result;
    }

    private CudaResult CopyBytes(void* destination, void* source, nuint bytes, string function, params object[] arguments)
    {
        CudaResult result = InContext(function, arguments);
        if (result == CudaResult.Success)
        {
            NativeMemory.Copy(source, destination, bytes);
        }
        return result;
    }
}
