using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Cuda;

/// <summary>Something that lives in a context and keeps that context alive.</summary>
public abstract class CudaHandle : SafeHandle
{
    private const nint Unset = -1;

    private readonly bool _holdsContext;

    private protected CudaHandle(CudaContext context, nint handle, bool owns)
        : base(Unset, owns)
    {
        Context = context;
        if (owns)
        {
            context.DangerousAddRef(ref _holdsContext);
        }
        SetHandle(handle);
    }

    /// <summary>The context.</summary>
    public CudaContext Context { get; }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == Unset;

    /// <summary>The driver's handle or address.</summary>
    /// <exception cref="ObjectDisposedException">The object was disposed.</exception>
    public nint Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return handle;
        }
    }

    private protected ICudaDriver Driver => Context.Driver;

    /// <summary>Gives the resource back; the context is current.</summary>
    private protected abstract CudaResult Destroy(ICudaDriver driver, nint resource);

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        try
        {
            return Context.Release(handle, Destroy);
        }
        finally
        {
            if (_holdsContext)
            {
                Context.DangerousRelease();
            }
        }
    }
}
