namespace Llama4Kernels.Interop.Cuda;

/// <summary>A mark in a stream, to wait for or to measure time with.</summary>
public sealed class CudaEvent : CudaHandle
{
    private CudaEvent(CudaContext context, nint handle)
        : base(context, handle, owns: true)
    {
    }

    /// <summary>A new event.</summary>
    /// <param name="context">Its context.</param>
    /// <param name="timing">Whether it can measure time, which costs a little.</param>
    public static CudaEvent Create(CudaContext context, bool timing = false)
    {
        ArgumentNullException.ThrowIfNull(context);
        using (context.Bind())
        {
            context.Check(context.Driver.EventCreate(out nint handle, timing), "cuEventCreate");
            return new CudaEvent(context, handle);
        }
    }

    /// <summary>Puts the mark behind what is in the stream now.</summary>
    public void Record(CudaStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using (Context.Bind())
        {
            Context.Check(Driver.EventRecord(Handle, stream.Handle), "cuEventRecord");
        }
    }

    /// <summary>Whether the stream has passed the mark.</summary>
    public bool IsReached()
    {
        using (Context.Bind())
        {
            CudaResult result = Driver.EventQuery(Handle);
            if (result == CudaResult.NotReady)
            {
                return false;
            }
            Context.Check(result, "cuEventQuery");
            return true;
        }
    }

    /// <summary>Waits until the stream has passed the mark.</summary>
    public void Synchronize()
    {
        using (Context.Bind())
        {
            Context.Check(Driver.EventSynchronize(Handle), "cuEventSynchronize");
        }
    }

    /// <summary>Milliseconds from another mark to this one; both with timing, both passed.</summary>
    public float MillisecondsSince(CudaEvent start)
    {
        ArgumentNullException.ThrowIfNull(start);
        using (Context.Bind())
        {
            Context.Check(Driver.EventElapsedTime(out float milliseconds, start.Handle, Handle), "cuEventElapsedTime");
            return milliseconds;
        }
    }

    private protected override CudaResult Destroy(ICudaDriver driver, nint resource) => driver.EventDestroy(resource);
}
