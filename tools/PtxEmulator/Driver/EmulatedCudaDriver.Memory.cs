using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Execution;

namespace Llama4Kernels.PtxEmulator.Driver;

/// <content>Memory.</content>
public sealed unsafe partial class EmulatedCudaDriver
{
    private const int PinnedAlignment = 4096;

    // CUmemorytype.
    private const int HostMemoryType = 1, DeviceMemoryType = 2;

    /// <summary>Pinned host ranges: their bytes, and whether they are the driver's own.</summary>
    private readonly Dictionary<nint, (nuint Bytes, bool Owned)> _pinned = [];

    /// <inheritdoc/>
    public CudaResult MemGetInfo(out long free, out long total)
    {
        lock (_gate)
        {
            bool found = TryCurrent(out EmulatedContext? context, out CudaResult error);
            total = found ? _options.MemoryBytes : 0;
            free = found ? total - context!.UsedBytes : 0;
            return error;
        }
    }

    /// <inheritdoc/>
    public CudaResult MemAlloc(out nint address, nuint bytes)
    {
        lock (_gate)
        {
            address = 0;
            return TryCurrentOutsideCapture(out EmulatedContext? context, out CudaResult error) ? Allocate(context, bytes, out address) : error;
        }
    }

    /// <inheritdoc/>
    public CudaResult MemFree(nint address)
    {
        lock (_gate)
        {
            return TryCurrentOutsideCapture(out EmulatedContext? context, out CudaResult error) ? Free(context, address) : error;
        }
    }

    /// <inheritdoc/>
    public CudaResult MemAllocAsync(out nint address, nuint bytes, nint stream)
    {
        lock (_gate)
        {
            address = 0;
            return TryStream(stream, out EmulatedContext? context, out EmulatedStream? queue, out CudaResult error) && !IsCaptured(queue, ref error)
                ? Allocate(context, bytes, out address)
                : error;
        }
    }

    /// <inheritdoc/>
    public CudaResult MemFreeAsync(nint address, nint stream)
    {
        lock (_gate)
        {
            return TryStream(stream, out EmulatedContext? context, out EmulatedStream? queue, out CudaResult error) && !IsCaptured(queue, ref error)
                ? FreeInOrder(context, QueueOf(context, queue), address)
                : error;
        }
    }

    /// <inheritdoc/>
    public CudaResult MemHostAlloc(out nint pointer, nuint bytes)
    {
        lock (_gate)
        {
            pointer = 0;
            if (!TryCurrentOutsideCapture(out _, out CudaResult error))
            {
                return error;
            }
            if (bytes == 0)
            {
                return CudaResult.InvalidValue;
            }
            pointer = (nint)NativeMemory.AlignedAlloc(bytes, PinnedAlignment);
            _pinned.Add(pointer, (bytes, true));
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult MemFreeHost(nint pointer)
    {
        lock (_gate)
        {
            if (!TryCurrentOutsideCapture(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            if (!_pinned.TryGetValue(pointer, out (nuint Bytes, bool Owned) range) || !range.Owned)
            {
                return CudaResult.InvalidValue;
            }
            _pinned.Remove(pointer);
            if (InFlight(pointer, range.Bytes) is QueuedWork user)
            {
                // The copy would find it gone; here it stays until the driver goes.
                _leftovers.Add(pointer);
                return Fault(context, HostMemoryFinding("cuMemFreeHost frees", user, pointer, range.Bytes));
            }
            NativeMemory.AlignedFree((void*)pointer);
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult MemHostRegister(nint pointer, nuint bytes)
    {
        lock (_gate)
        {
            if (!TryCurrentOutsideCapture(out _, out CudaResult error))
            {
                return error;
            }
            if (pointer == 0 || bytes == 0)
            {
                return CudaResult.InvalidValue;
            }
            if (_pinned.Any(range => (nuint)pointer < (nuint)range.Key + range.Value.Bytes && (nuint)range.Key < (nuint)pointer + bytes))
            {
                return CudaResult.HostMemoryAlreadyRegistered;
            }
            _pinned.Add(pointer, (bytes, false));
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult MemHostUnregister(nint pointer)
    {
        lock (_gate)
        {
            if (!TryCurrentOutsideCapture(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            if (!_pinned.TryGetValue(pointer, out (nuint Bytes, bool Owned) range))
            {
                return CudaResult.HostMemoryNotRegistered;
            }
            if (range.Owned)
            {
                return CudaResult.InvalidValue;
            }
            _pinned.Remove(pointer);
            return InFlight(pointer, range.Bytes) is QueuedWork user ? Fault(context, HostMemoryFinding("cuMemHostUnregister gives up", user, pointer, range.Bytes)) : CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult MemcpyHtoD(nint destination, void* source, nuint bytes)
    {
        lock (_gate)
        {
            return TryCurrentOutsideCapture(out EmulatedContext? context, out CudaResult error)
                ? CopyNow(context, new CopyWork(destination, context, (nint)source, null, bytes))
                : error;
        }
    }

    /// <inheritdoc/>
    public CudaResult MemcpyDtoH(void* destination, nint source, nuint bytes)
    {
        lock (_gate)
        {
            return TryCurrentOutsideCapture(out EmulatedContext? context, out CudaResult error)
                ? CopyNow(context, new CopyWork((nint)destination, null, source, context, bytes))
                : error;
        }
    }

    /// <inheritdoc/>
    public CudaResult MemcpyHtoDAsync(nint destination, void* source, nuint bytes, nint stream)
    {
        lock (_gate)
        {
            return TryStream(stream, out EmulatedContext? context, out EmulatedStream? queue, out CudaResult error)
                ? Submit(context, queue, new CopyWork(destination, context, (nint)source, null, bytes))
                : error;
        }
    }

    /// <inheritdoc/>
    public CudaResult MemcpyDtoHAsync(void* destination, nint source, nuint bytes, nint stream)
    {
        lock (_gate)
        {
            return TryStream(stream, out EmulatedContext? context, out EmulatedStream? queue, out CudaResult error)
                ? Submit(context, queue, new CopyWork((nint)destination, null, source, context, bytes))
                : error;
        }
    }

    /// <inheritdoc/>
    public CudaResult MemcpyDtoDAsync(nint destination, nint source, nuint bytes, nint stream)
    {
        lock (_gate)
        {
            return TryStream(stream, out EmulatedContext? context, out EmulatedStream? queue, out CudaResult error)
                ? Submit(context, queue, new CopyWork(destination, context, source, context, bytes))
                : error;
        }
    }

    /// <inheritdoc/>
    public CudaResult MemcpyPeerAsync(nint destination, nint destinationContext, nint source, nint sourceContext, nuint bytes, nint stream)
    {
        lock (_gate)
        {
            if (!TryStream(stream, out EmulatedContext? context, out EmulatedStream? queue, out CudaResult error))
            {
                return error;
            }
            if (!_contexts.TryGetValue(destinationContext, out EmulatedContext? to) || !_contexts.TryGetValue(sourceContext, out EmulatedContext? from))
            {
                return CudaResult.InvalidContext;
            }
            return to.Fault != CudaResult.Success ? to.Fault
                : from.Fault != CudaResult.Success ? from.Fault
                : Submit(context, queue, new CopyWork(destination, to, source, from, bytes));
        }
    }

    /// <inheritdoc/>
    public CudaResult MemsetD8Async(nint destination, byte value, nuint bytes, nint stream)
    {
        lock (_gate)
        {
            return TryStream(stream, out EmulatedContext? context, out EmulatedStream? queue, out CudaResult error)
                ? Submit(context, queue, new FillWork(destination, context, value, bytes))
                : error;
        }
    }

    /// <inheritdoc/>
    public CudaResult PointerGetAttribute(out long value, CudaPointerAttribute attribute, nint address)
    {
        value = 0;
        lock (_gate)
        {
            if (!TryCurrent(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            bool isHost = TryPinned(address, out nint start, out long bytes);
            if (!isHost)
            {
                EmulatedContext? owner = _contexts.Values.FirstOrDefault(candidate => candidate.Memory.Find(address) is not null);
                if (owner is null)
                {
                    return CudaResult.InvalidValue;
                }
                context = owner;
                Allocation around = owner.Memory.Find(address)!;
                (start, bytes) = (around.Start, around.Bytes);
            }
            long? answer = attribute switch
            {
                CudaPointerAttribute.Context => context.Handle,
                CudaPointerAttribute.MemoryType => isHost ? HostMemoryType : DeviceMemoryType,
                CudaPointerAttribute.DevicePointer => isHost ? null : address,
                CudaPointerAttribute.HostPointer => isHost ? address : null,
                CudaPointerAttribute.IsManaged => 0,
                CudaPointerAttribute.DeviceOrdinal => context.Device - FirstDevice,
                CudaPointerAttribute.RangeStart => start,
                CudaPointerAttribute.RangeSize => bytes,
                _ => null,
            };
            value = answer ?? 0;
            return answer is null ? CudaResult.InvalidValue : CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    /// <remarks>Other processes do not see this one's memory.</remarks>
    public CudaResult IpcGetMemHandle(out CudaIpcHandle handle, nint address)
    {
        handle = default;
        return NotBetweenProcesses();
    }

    /// <inheritdoc/>
    /// <remarks>As <see cref="IpcGetMemHandle"/>.</remarks>
    public CudaResult IpcOpenMemHandle(out nint address, in CudaIpcHandle handle)
    {
        address = 0;
        return NotBetweenProcesses();
    }

    /// <inheritdoc/>
    /// <remarks>As <see cref="IpcGetMemHandle"/>.</remarks>
    public CudaResult IpcCloseMemHandle(nint address) => NotBetweenProcesses();

    private bool TryPinned(nint address, out nint start, out long bytes)
    {
        foreach ((nint pointer, (nuint length, _)) in _pinned)
        {
            if (address >= pointer && (nuint)(address - pointer) < length)
            {
                (start, bytes) = (pointer, (long)length);
                return true;
            }
        }
        (start, bytes) = (0, 0);
        return false;
    }

    private CudaResult NotBetweenProcesses()
    {
        lock (_gate)
        {
            return TryCurrent(out _, out CudaResult error) ? CudaResult.NotSupported : error;
        }
    }

    private CudaResult Allocate(EmulatedContext context, nuint bytes, out nint address)
    {
        address = 0;
        if (bytes == 0)
        {
            return CudaResult.InvalidValue;
        }
        if (bytes > (nuint)(_options.MemoryBytes - context.UsedBytes))
        {
            return CudaResult.OutOfMemory;
        }
        try
        {
            address = context.Memory.Allocate((long)bytes);
        }
        catch (OutOfMemoryException)
        {
            return Fail(CudaResult.OutOfMemory, $"The host has no {bytes} bytes for emulated memory and their state.");
        }
        context.Allocations.Add(address, (long)bytes);
        context.UsedBytes += (long)bytes;
        return CudaResult.Success;
    }

    private CudaResult Free(EmulatedContext context, nint address)
    {
        if (address == 0)
        {
            return CudaResult.Success;
        }
        if (!context.Allocations.Remove(address, out long bytes) || !context.Memory.Free(address, keep: IsBusy(context)))
        {
            return CudaResult.InvalidValue;
        }
        context.UsedBytes -= bytes;
        return CudaResult.Success;
    }

    private void FreePinned()
    {
        foreach ((nint pointer, (_, bool owned)) in _pinned)
        {
            if (owned)
            {
                NativeMemory.AlignedFree((void*)pointer);
            }
        }
        _pinned.Clear();
        foreach (nint pointer in _leftovers)
        {
            NativeMemory.AlignedFree((void*)pointer);
        }
        _leftovers.Clear();
    }
}
