namespace Llama4Kernels.Interop.Cuda;

/// <summary>Host memory that the device can copy from and to at full speed and without waiting.</summary>
public sealed unsafe class PinnedMemory : CudaHandle
{
    private readonly bool _registered;

    private PinnedMemory(CudaContext context, nint pointer, long bytes, bool registered)
        : base(context, pointer, owns: true)
    {
        Bytes = bytes;
        _registered = registered;
    }

    /// <summary>Size.</summary>
    public long Bytes { get; }

    /// <summary>First byte.</summary>
    /// <exception cref="ObjectDisposedException">It was freed.</exception>
    public byte* Pointer => (byte*)Handle;

    /// <summary>Allocates.</summary>
    public static PinnedMemory Allocate(CudaContext context, long bytes)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        using (context.Bind())
        {
            context.Check(context.Driver.MemHostAlloc(out nint pointer, (nuint)bytes), $"cuMemHostAlloc({bytes})");
            return new PinnedMemory(context, pointer, bytes, registered: false);
        }
    }

    /// <summary>Pins memory that exists, until this is disposed.</summary>
    /// <param name="context">The context.</param>
    /// <param name="pointer">First byte.</param>
    /// <param name="bytes">Size.</param>
    public static PinnedMemory Register(CudaContext context, void* pointer, long bytes)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(pointer);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        using (context.Bind())
        {
            context.Check(context.Driver.MemHostRegister((nint)pointer, (nuint)bytes), $"cuMemHostRegister({bytes})");
            return new PinnedMemory(context, (nint)pointer, bytes, registered: true);
        }
    }

    private protected override CudaResult Destroy(ICudaDriver driver, nint resource) =>
        _registered ? driver.MemHostUnregister(resource) : driver.MemFreeHost(resource);
}
