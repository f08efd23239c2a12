using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.PtxEmulator.Driver;

/// <summary>
/// A CUDA driver without a device: modules are PTX text that the emulator executes, streams run what they are given before
/// the call returns, and everything a device would refuse is refused with its code. A finding in a kernel becomes the
/// code of the fault that a device would have (or "launch failed" where a device would go on unharmed), makes its
/// context unusable and is kept in <see cref="Findings"/>. Calls from several threads take turns.
/// </summary>
public sealed unsafe partial class EmulatedCudaDriver : ICudaDriver, IDisposable
{
    private const int CudaVersion = 13000;
    private const int FirstDevice = 1;

    private readonly Lock _gate = new();
    private readonly EmulatedDriverOptions _options;
    private readonly DeviceLimits _limits;
    private readonly ThreadLocal<nint> _current = new();
    private readonly ThreadLocal<string?> _detail = new();
    private readonly Dictionary<nint, EmulatedContext> _contexts = [];
    private readonly Dictionary<nint, DriverObject> _objects = [];
    private readonly List<PtxFinding> _findings = [];
    private readonly List<EmulatedLaunch> _launches = [];
    private readonly List<PlannedLaunch> _planned = [];
    private nint _nextHandle = 0x1000;

    /// <summary>A machine with devices of one kind.</summary>
    /// <param name="options">Which; null for one H100.</param>
    /// <exception cref="ArgumentOutOfRangeException">The capability is unknown, or a number is not positive.</exception>
    public EmulatedCudaDriver(EmulatedDriverOptions? options = null)
    {
        _options = options ?? new EmulatedDriverOptions();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(_options.Devices);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(_options.MemoryBytes);
        _limits = DeviceLimits.Of(_options.Capability);
    }

    /// <inheritdoc/>
    public string Description => "PTX emulator";

    /// <summary>What was found wrong with kernels, in order.</summary>
    public IReadOnlyList<PtxFinding> Findings
    {
        get
        {
            lock (_gate)
            {
                return [.. _findings];
            }
        }
    }

    /// <summary>The launches that ended well, if <see cref="EmulatedDriverOptions.RecordLaunches"/> is set.</summary>
    public IReadOnlyList<EmulatedLaunch> Launches
    {
        get
        {
            lock (_gate)
            {
                return [.. _launches];
            }
        }
    }

    /// <summary>Takes away the launches that were noted since the last time, in order, if <see cref="EmulatedDriverOptions.IsPlan"/> is set.</summary>
    public IReadOnlyList<PlannedLaunch> TakePlanned()
    {
        lock (_gate)
        {
            PlannedLaunch[] taken = [.. _planned];
            _planned.Clear();
            return taken;
        }
    }

    /// <summary>Bytes of device memory that are allocated.</summary>
    public long UsedBytes
    {
        get
        {
            lock (_gate)
            {
                return _contexts.Values.Sum(context => context.UsedBytes);
            }
        }
    }

    /// <summary>Contexts, allocations, pinned ranges, modules, streams, events and graphs that nobody gave back yet.</summary>
    public int LiveResources
    {
        get
        {
            lock (_gate)
            {
                return _contexts.Count + _contexts.Values.Sum(context => context.Allocations.Count) + _objects.Values.Count(o => o is not EmulatedFunction) + _pinned.Count;
            }
        }
    }

    /// <inheritdoc/>
    public string? ErrorDetail => _detail.Value;

    /// <summary>Frees what was not given back. Calls that come later, as those of finalisers may, are answered with an error.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            foreach (EmulatedContext context in _contexts.Values.ToArray())
            {
                Destroy(context);
            }
            FreePinned();
        }
    }

    /// <inheritdoc/>
    public CudaResult DriverGetVersion(out int version)
    {
        version = CudaVersion;
        return CudaResult.Success;
    }

    /// <inheritdoc/>
    public CudaResult DeviceGetCount(out int count)
    {
        count = _options.Devices;
        return CudaResult.Success;
    }

    /// <inheritdoc/>
    public CudaResult DeviceGet(out int device, int ordinal)
    {
        device = FirstDevice + ordinal;
        return ordinal >= 0 ? CheckDevice(device) : CudaResult.InvalidValue;
    }

    /// <inheritdoc/>
    public CudaResult DeviceGetName(out string name, int device)
    {
        name = $"Emulated sm_{_options.Capability}";
        return CheckDevice(device);
    }

    /// <inheritdoc/>
    public CudaResult DeviceGetUuid(out Guid uuid, int device)
    {
        Span<byte> bytes = stackalloc byte[16];
        "PTX emulator"u8.CopyTo(bytes);
        BinaryPrimitives.WriteInt32BigEndian(bytes[12..], device);
        uuid = new Guid(bytes, bigEndian: true);
        return CheckDevice(device);
    }

    /// <inheritdoc/>
    public CudaResult DeviceTotalMem(out long bytes, int device)
    {
        bytes = _options.MemoryBytes;
        return CheckDevice(device);
    }

    /// <inheritdoc/>
    public CudaResult DeviceGetAttribute(out int value, CudaDeviceAttribute attribute, int device)
    {
        bool known = _limits.TryAttribute(attribute, out value);
        return CheckDevice(device) is var result && result != CudaResult.Success ? result
            : known ? CudaResult.Success : CudaResult.InvalidValue;
    }

    /// <inheritdoc/>
    /// <remarks>Kernels of one emulated device do not reach the memory of another; copies do.</remarks>
    public CudaResult DeviceCanAccessPeer(out bool can, int device, int peer)
    {
        can = false;
        return CheckDevice(device) is var result && result != CudaResult.Success ? result : CheckDevice(peer);
    }

    /// <inheritdoc/>
    public CudaResult DevicePrimaryCtxRetain(out nint context, int device)
    {
        context = 0;
        if (CheckDevice(device) is var result && result != CudaResult.Success)
        {
            return result;
        }
        lock (_gate)
        {
            EmulatedContext? primary = _contexts.Values.FirstOrDefault(c => c.Device == device);
            if (primary is null)
            {
                primary = new EmulatedContext(NewHandle(), device, _options.IsPlan);
                _contexts.Add(primary.Handle, primary);
            }
            primary.Retained++;
            context = primary.Handle;
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult DevicePrimaryCtxRelease(int device)
    {
        if (CheckDevice(device) is var result && result != CudaResult.Success)
        {
            return result;
        }
        lock (_gate)
        {
            EmulatedContext? primary = _contexts.Values.FirstOrDefault(c => c.Device == device);
            if (primary is null)
            {
                return CudaResult.InvalidContext;
            }
            if (--primary.Retained == 0)
            {
                Destroy(primary);
            }
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult CtxSetCurrent(nint context)
    {
        lock (_gate)
        {
            if (context != 0 && !_contexts.ContainsKey(context))
            {
                return CudaResult.InvalidContext;
            }
            _current.Value = context;
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult CtxGetCurrent(out nint context)
    {
        context = _current.Value;
        return CudaResult.Success;
    }

    /// <inheritdoc/>
    public CudaResult CtxGetDevice(out int device)
    {
        lock (_gate)
        {
            bool found = TryCurrent(out EmulatedContext? context, out CudaResult error);
            device = found ? context!.Device : 0;
            return error;
        }
    }

    /// <inheritdoc/>
    public CudaResult CtxSynchronize()
    {
        lock (_gate)
        {
            if (TryCurrentOutsideCapture(out EmulatedContext? context, out CudaResult error))
            {
                error = RunAll(context);
            }
            return error;
        }
    }

    /// <inheritdoc/>
    public CudaResult CtxEnablePeerAccess(nint peer)
    {
        lock (_gate)
        {
            return !TryCurrent(out EmulatedContext? context, out CudaResult error) ? error
                : !_contexts.ContainsKey(peer) ? CudaResult.InvalidContext
                : peer == context.Handle ? CudaResult.InvalidValue
                : CudaResult.PeerAccessUnsupported;
        }
    }

    private CudaResult CheckDevice(int device) =>
        device >= FirstDevice && device < FirstDevice + _options.Devices ? CudaResult.Success : CudaResult.InvalidDevice;

    private nint NewHandle() => _nextHandle += 0x10;

    private nint Add(DriverObject item)
    {
        nint handle = NewHandle();
        _objects.Add(handle, item);
        return handle;
    }

    /// <summary>The current context, if there is one and it is usable.</summary>
    private bool TryCurrent([NotNullWhen(true)] out EmulatedContext? context, out CudaResult error)
    {
        _detail.Value = null;
        error = !_contexts.TryGetValue(_current.Value, out context) ? CudaResult.InvalidContext : context.Fault;
        if (error != CudaResult.Success)
        {
            _detail.Value = context?.FaultDetail;
        }
        if (_runsHostFunction)
        {
            error = Fail(CudaResult.NotPermitted, "A host function of a stream must not call the driver.");
        }
        return error == CudaResult.Success;
    }

    /// <summary>As <see cref="TryCurrent"/> for calls that a capturing thread must not make: they end its captures.</summary>
    private bool TryCurrentOutsideCapture([NotNullWhen(true)] out EmulatedContext? context, out CudaResult error)
    {
        if (!TryCurrent(out context, out error))
        {
            return false;
        }
        foreach (Capture capture in _captures.Where(capture => capture.Thread == Environment.CurrentManagedThreadId))
        {
            capture.Invalid = true;
            error = CudaResult.StreamCaptureUnsupported;
        }
        return error == CudaResult.Success;
    }

    /// <summary>An object of the current context by its handle.</summary>
    private bool TryFind<T>(EmulatedContext context, nint handle, [NotNullWhen(true)] out T? item)
        where T : DriverObject
    {
        item = _objects.GetValueOrDefault(handle) as T;
        if (item is not null && item.Context != context)
        {
            item = null;
        }
        return item is not null;
    }

    private CudaResult Fail(CudaResult result, string detail)
    {
        _detail.Value = detail;
        return result;
    }

    private void Destroy(EmulatedContext context)
    {
        _ = RunAll(context);
        foreach ((nint handle, DriverObject item) in _objects.Where(entry => entry.Value.Context == context).ToArray())
        {
            Forget(handle, item);
        }
        _captures.RemoveAll(capture => capture.Origin.Context == context);
        _contexts.Remove(context.Handle);
        context.Dispose();
    }

    private void Forget(nint handle, DriverObject item)
    {
        _objects.Remove(handle);
        (item as EmulatedStream)?.Queue.Dispose();
        if (item is EmulatedModule { Unloaded: false } module)
        {
            module.Unloaded = true;
            module.Program.Dispose();
        }
    }
}
