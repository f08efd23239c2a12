using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Cuda;

/// <summary>
/// A context of a device. The device's primary context is retained and released, a host's own one is only used. What is
/// made in a context (memory, modules, streams, …) keeps it alive.
/// </summary>
/// <remarks>
/// Every operation makes the context current on the calling thread and afterwards restores what was current before, so that
/// a host's own CUDA code is not disturbed. Objects of one context may be used by several threads, but none may be disposed
/// while another thread uses it.
/// </remarks>
public sealed class CudaContext : SafeHandle
{
    private const nint Unset = -1;
    private const int DeviceMemoryType = 2;

    private readonly int _device;
    private CudaException? _fault;

    private CudaContext(ICudaDriver driver, int device, nint handle, bool owns)
        : base(Unset, owns)
    {
        Driver = driver;
        _device = device;
        SetHandle(handle);
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == Unset;

    /// <summary>The driver that the context belongs to.</summary>
    public ICudaDriver Driver { get; }

    /// <summary>Handle of the device.</summary>
    public int Device => _device;

    /// <summary>The driver's handle (CUcontext).</summary>
    /// <exception cref="ObjectDisposedException">The context was disposed.</exception>
    public nint Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return handle;
        }
    }

    /// <summary>The error that made the context unusable, or null.</summary>
    public CudaException? Fault => Volatile.Read(ref _fault);

    /// <summary>Retains the primary context of a device, which the CUDA runtime and NCCL share.</summary>
    /// <param name="driver">The driver.</param>
    /// <param name="ordinal">Number of the device, from 0.</param>
    /// <exception cref="CudaException">There is no such device, or it has no room for a context.</exception>
    public static CudaContext RetainPrimary(ICudaDriver driver, int ordinal = 0)
    {
        ArgumentNullException.ThrowIfNull(driver);
        Throw(driver.DeviceGet(out int device, ordinal), $"cuDeviceGet({ordinal})");
        Throw(driver.DevicePrimaryCtxRetain(out nint handle, device), "cuDevicePrimaryCtxRetain");
        return new CudaContext(driver, device, handle, owns: true);
    }

    /// <summary>Uses a context that the host made and will destroy, after everything made here was disposed.</summary>
    /// <param name="driver">The driver.</param>
    /// <param name="handle">CUcontext, as ManagedCuda's <c>CudaContext.Context.Pointer</c> or ILGPU's <c>CudaAccelerator.NativePtr</c>.</param>
    /// <exception cref="ArgumentException">The handle is 0.</exception>
    /// <exception cref="CudaException">It is no context.</exception>
    public static CudaContext FromHandle(ICudaDriver driver, nint handle)
    {
        ArgumentNullException.ThrowIfNull(driver);
        if (handle == 0)
        {
            throw new ArgumentException("A context's handle must not be 0.", nameof(handle));
        }
        Throw(driver.CtxGetCurrent(out nint previous), "cuCtxGetCurrent");
        Throw(driver.CtxSetCurrent(handle), "cuCtxSetCurrent");
        CudaResult result = driver.CtxGetDevice(out int device);
        Throw(driver.CtxSetCurrent(previous), "cuCtxSetCurrent");
        Throw(result, "cuCtxGetDevice");
        return new CudaContext(driver, device, handle, owns: false);
    }

    /// <summary>Makes the context current on this thread until the scope is disposed.</summary>
    /// <exception cref="CudaException">The context is unusable since an earlier error, whose result it has.</exception>
    /// <exception cref="ObjectDisposedException">The context was disposed.</exception>
    public Scope Bind()
    {
        ObjectDisposedException.ThrowIf(IsClosed, this);
        if (Fault is CudaException fault)
        {
            throw CudaException.AfterFault(fault);
        }
        Check(Driver.CtxGetCurrent(out nint previous), "cuCtxGetCurrent");
        if (previous != handle)
        {
            Check(Driver.CtxSetCurrent(handle), "cuCtxSetCurrent");
        }
        return new Scope(this, previous);
    }

    /// <summary>Turns a driver's code into an exception; a sticky one makes the context unusable.</summary>
    /// <param name="result">What the driver returned.</param>
    /// <param name="call">The driver's function.</param>
    /// <param name="log">The PTX compiler's log, if there is one.</param>
    /// <exception cref="CudaException">The code is not success.</exception>
    public void Check(CudaResult result, string call, string? log = null)
    {
        if (result == CudaResult.Success)
        {
            return;
        }
        var error = new CudaException(result, call, string.IsNullOrWhiteSpace(log) ? Driver.ErrorDetail : log);
        if (result.IsSticky() && Interlocked.CompareExchange(ref _fault, error, null) is CudaException first)
        {
            throw CudaException.AfterFault(first);
        }
        throw error;
    }

    /// <summary>Waits for all work of the context.</summary>
    /// <exception cref="CudaException">Some of that work failed.</exception>
    public void Synchronize()
    {
        using (Bind())
        {
            Check(Driver.CtxSynchronize(), "cuCtxSynchronize");
        }
    }

    /// <summary>Free and total bytes of the device's memory.</summary>
    public (long Free, long Total) MemoryInfo()
    {
        using (Bind())
        {
            Check(Driver.MemGetInfo(out long free, out long total), "cuMemGetInfo");
            return (free, total);
        }
    }

    /// <summary>What the driver knows about an address, or null if it is neither device memory nor pinned.</summary>
    /// <param name="address">Any address of the process or the device.</param>
    public CudaPointerInfo? PointerInfo(nint address)
    {
        using (Bind())
        {
            CudaResult result = Driver.PointerGetAttribute(out long type, CudaPointerAttribute.MemoryType, address);
            if (result == CudaResult.InvalidValue)
            {
                return null;
            }
            Check(result, $"cuPointerGetAttribute({CudaPointerAttribute.MemoryType})");
            long Get(CudaPointerAttribute attribute)
            {
                Check(Driver.PointerGetAttribute(out long value, attribute, address), $"cuPointerGetAttribute({attribute})");
                return value;
            }
            return new CudaPointerInfo(
                type == DeviceMemoryType,
                Get(CudaPointerAttribute.IsManaged) != 0,
                (int)Get(CudaPointerAttribute.DeviceOrdinal),
                (nint)Get(CudaPointerAttribute.RangeStart),
                Get(CudaPointerAttribute.RangeSize));
        }
    }

    /// <summary>A number that the driver knows about the device.</summary>
    public int Attribute(CudaDeviceAttribute attribute)
    {
        Check(Driver.DeviceGetAttribute(out int value, attribute, Device), $"cuDeviceGetAttribute({attribute})");
        return value;
    }

    /// <summary>Lets kernels of this context read and write the memory of a peer; again is no error.</summary>
    /// <returns>False if the devices cannot reach each other.</returns>
    public bool TryEnablePeerAccess(CudaContext peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        using (Bind())
        {
            Check(Driver.DeviceCanAccessPeer(out bool can, Device, peer.Device), "cuDeviceCanAccessPeer");
            if (can)
            {
                CudaResult result = Driver.CtxEnablePeerAccess(peer.Handle);
                Check(result == CudaResult.PeerAccessAlreadyEnabled ? CudaResult.Success : result, "cuCtxEnablePeerAccess");
            }
            return can;
        }
    }

    /// <summary>Encodes a tensor map for bulk copies.</summary>
    /// <exception cref="ArgumentException">The description violates what the hardware demands.</exception>
    public CudaTensorMap EncodeTensorMap(CudaTensorDescription description)
    {
        ArgumentNullException.ThrowIfNull(description);
        description.Validate();
        using (Bind())
        {
            Check(Driver.TensorMapEncodeTiled(out CudaTensorMap map, description), "cuTensorMapEncodeTiled");
            return map;
        }
    }

    /// <summary>Runs a release in the context; the codes of releases are of no use to anyone after a fault.</summary>
    internal bool Release(nint resource, Func<ICudaDriver, nint, CudaResult> release)
    {
        bool bound = Driver.CtxGetCurrent(out nint previous) == CudaResult.Success && Driver.CtxSetCurrent(handle) == CudaResult.Success;
        CudaResult result = release(Driver, resource);
        return (!bound || Driver.CtxSetCurrent(previous) == CudaResult.Success) && (result == CudaResult.Success || Fault is not null);
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Driver.DevicePrimaryCtxRelease(_device) == CudaResult.Success;

    private static void Throw(CudaResult result, string call)
    {
        if (result != CudaResult.Success)
        {
            throw new CudaException(result, call);
        }
    }

    /// <summary>The time during which a context is current on a thread.</summary>
    public readonly ref struct Scope
    {
        private readonly CudaContext _context;
        private readonly nint _previous;

        internal Scope(CudaContext context, nint previous) => (_context, _previous) = (context, previous);

        /// <summary>Restores what was current before.</summary>
        public void Dispose()
        {
            if (_previous == _context.handle)
            {
                return;
            }
            CudaResult result = _context.Driver.CtxSetCurrent(_previous);
            // After a fault that first error is on its way to the caller and must not be hidden.
            if (_context.Fault is null)
            {
                _context.Check(result, "cuCtxSetCurrent");
            }
        }
    }
}
