namespace Llama4Kernels.Interop.Cuda;

/// <summary>Memory of a device. Its content is undefined until it is written.</summary>
public sealed unsafe class CudaMemory : CudaHandle
{
    private readonly Kind _kind;
    private readonly CudaStream? _stream;
    private readonly bool _holdsStream;

    private CudaMemory(CudaContext context, nint address, long bytes, Kind kind, CudaStream? stream = null)
        : base(context, address, owns: kind != Kind.Foreign)
    {
        Bytes = bytes;
        _kind = kind;
        _stream = stream;
        stream?.DangerousAddRef(ref _holdsStream);
    }

    private enum Kind
    {
        Plain,
        StreamOrdered,
        Imported,
        Foreign,
    }

    /// <summary>Size; 0 for imported memory, which does not tell it.</summary>
    public long Bytes { get; }

    /// <summary>Address on the device (CUdeviceptr), a multiple of 256 for own allocations.</summary>
    /// <exception cref="ObjectDisposedException">It was freed.</exception>
    public nint Address => Handle;

    /// <summary>Allocates; freeing waits for the device.</summary>
    /// <exception cref="CudaException">Out of memory.</exception>
    public static CudaMemory Allocate(CudaContext context, long bytes)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        using (context.Bind())
        {
            context.Check(context.Driver.MemAlloc(out nint address, (nuint)bytes), $"cuMemAlloc({bytes})");
            return new CudaMemory(context, address, bytes, Kind.Plain);
        }
    }

    /// <summary>Allocates and frees in the order of a stream, from the device's pool.</summary>
    /// <exception cref="CudaException">Out of memory.</exception>
    public static CudaMemory AllocateAsync(CudaStream stream, long bytes)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        CudaContext context = stream.Context;
        using (context.Bind())
        {
            context.Check(context.Driver.MemAllocAsync(out nint address, (nuint)bytes, stream.Handle), $"cuMemAllocAsync({bytes})");
            return new CudaMemory(context, address, bytes, Kind.StreamOrdered, stream);
        }
    }

    /// <summary>Uses memory that the host allocated and will free.</summary>
    public static CudaMemory FromHandle(CudaContext context, nint address, long bytes)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        return new CudaMemory(context, address, bytes, Kind.Foreign);
    }

    /// <summary>Opens another process's allocation.</summary>
    public static CudaMemory Import(CudaContext context, in CudaIpcHandle handle)
    {
        ArgumentNullException.ThrowIfNull(context);
        using (context.Bind())
        {
            context.Check(context.Driver.IpcOpenMemHandle(out nint address, handle), "cuIpcOpenMemHandle");
            return new CudaMemory(context, address, 0, Kind.Imported);
        }
    }

    /// <summary>A name of this allocation for other processes; only for memory of <see cref="Allocate"/>.</summary>
    public CudaIpcHandle Export()
    {
        using (Context.Bind())
        {
            Context.Check(Driver.IpcGetMemHandle(out CudaIpcHandle handle, Address), "cuIpcGetMemHandle");
            return handle;
        }
    }

    /// <summary>Copies values in; returns when they were read.</summary>
    /// <param name="values">The values.</param>
    /// <param name="offset">First byte in this memory.</param>
    /// <exception cref="ArgumentException">They do not fit.</exception>
    public void Write<T>(ReadOnlySpan<T> values, long offset = 0)
        where T : unmanaged
    {
        nuint bytes = Range(values.Length, sizeof(T), offset);
        using (Context.Bind())
        {
            fixed (T* p = values)
            {
                Context.Check(Driver.MemcpyHtoD(Address + (nint)offset, p, bytes), "cuMemcpyHtoD");
            }
        }
    }

    /// <summary>Copies values out; waits for the legacy default stream only, so synchronise other streams before.</summary>
    /// <param name="values">Where to.</param>
    /// <param name="offset">First byte in this memory.</param>
    /// <exception cref="ArgumentException">There are not that many.</exception>
    public void Read<T>(Span<T> values, long offset = 0)
        where T : unmanaged
    {
        nuint bytes = Range(values.Length, sizeof(T), offset);
        using (Context.Bind())
        {
            fixed (T* p = values)
            {
                Context.Check(Driver.MemcpyDtoH(p, Address + (nint)offset, bytes), "cuMemcpyDtoH");
            }
        }
    }

    private protected override CudaResult Destroy(ICudaDriver driver, nint resource)
    {
        if (_kind == Kind.Plain)
        {
            return driver.MemFree(resource);
        }
        if (_kind == Kind.Imported)
        {
            return driver.IpcCloseMemHandle(resource);
        }
        CudaResult result = driver.MemFreeAsync(resource, _stream!.DangerousGetHandle());
        if (_holdsStream)
        {
            _stream.DangerousRelease();
        }
        return result;
    }

    private nuint Range(int count, int size, long offset)
    {
        long bytes = (long)count * size;
        if (offset < 0 || offset > Bytes - bytes)
        {
            throw new ArgumentException($"{bytes} bytes at {offset} exceed the {Bytes} bytes of this memory.");
        }
        return (nuint)bytes;
    }
}
