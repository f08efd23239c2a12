namespace Llama4Kernels.Interop.Cuda;

/// <summary>A queue of work: what is put in is done in order. All lengths are bytes.</summary>
public sealed unsafe class CudaStream : CudaHandle
{
    private readonly HostFunctions _functions = new();

    private CudaStream(CudaContext context, nint handle, bool owns)
        : base(context, handle, owns)
    {
    }

    /// <summary>A new stream that does not wait for the legacy default stream.</summary>
    /// <param name="context">Its context.</param>
    /// <param name="priority">0, or less for more urgent.</param>
    public static CudaStream Create(CudaContext context, int priority = 0)
    {
        ArgumentNullException.ThrowIfNull(context);
        using (context.Bind())
        {
            context.Check(context.Driver.StreamCreate(out nint handle, priority), "cuStreamCreateWithPriority");
            return new CudaStream(context, handle, owns: true);
        }
    }

    /// <summary>Uses a stream that the host made and will destroy; 0 is the legacy default stream.</summary>
    public static CudaStream FromHandle(CudaContext context, nint handle)
    {
        ArgumentNullException.ThrowIfNull(context);
        return new CudaStream(context, handle, owns: false);
    }

    /// <summary>Waits until the stream is empty, then throws what its host functions threw.</summary>
    /// <exception cref="CudaException">Some of its work failed.</exception>
    /// <exception cref="AggregateException">Several host functions failed; a single one's exception is thrown as it is.</exception>
    public void Synchronize()
    {
        using (Context.Bind())
        {
            Context.Check(Driver.StreamSynchronize(Handle), "cuStreamSynchronize");
        }
        _functions.Rethrow();
    }

    /// <summary>
    /// Puts a function of the host into the stream: a thread of the driver runs it when all work before it is done, and work
    /// behind it waits for it. It must not use the driver in any way and should be short. What it throws the next
    /// <see cref="Synchronize"/> throws. It is not run once the context is unusable.
    /// </summary>
    /// <param name="function">The function; kept until it has run.</param>
    /// <exception cref="InvalidOperationException">The stream is being captured: a graph could run the function any number of times, and nobody could say when it may go.</exception>
    public void AddHostFunction(Action function)
    {
        ArgumentNullException.ThrowIfNull(function);
        using (Context.Bind())
        {
            Context.Check(Driver.StreamIsCapturing(Handle, out bool capturing), "cuStreamIsCapturing");
            if (capturing)
            {
                throw new InvalidOperationException("A host function cannot be captured; add it behind the launch of the graph.");
            }
            nint number = _functions.Add(function);
            CudaResult result = Driver.LaunchHostFunc(Handle, HostFunctions.EntryPoint, number);
            if (result != CudaResult.Success)
            {
                HostFunctions.Forget(number);
                Context.Check(result, "cuLaunchHostFunc");
            }
        }
    }

    /// <summary>Whether the stream is empty.</summary>
    public bool IsIdle()
    {
        using (Context.Bind())
        {
            CudaResult result = Driver.StreamQuery(Handle);
            if (result == CudaResult.NotReady)
            {
                return false;
            }
            Context.Check(result, "cuStreamQuery");
            return true;
        }
    }

    /// <summary>What is put in from now on waits for the event.</summary>
    public void WaitFor(CudaEvent @event)
    {
        ArgumentNullException.ThrowIfNull(@event);
        using (Context.Bind())
        {
            Context.Check(Driver.StreamWaitEvent(Handle, @event.Handle), "cuStreamWaitEvent");
        }
    }

    /// <summary>Copies from the host; only from pinned memory does the call return before the copy is done.</summary>
    public void Upload(nint device, void* source, long bytes)
    {
        using (Context.Bind())
        {
            Context.Check(Driver.MemcpyHtoDAsync(device, source, Length(bytes), Handle), "cuMemcpyHtoDAsync");
        }
    }

    /// <summary>Copies to the host; the bytes are there after <see cref="Synchronize"/>.</summary>
    public void Download(void* destination, nint device, long bytes)
    {
        using (Context.Bind())
        {
            Context.Check(Driver.MemcpyDtoHAsync(destination, device, Length(bytes), Handle), "cuMemcpyDtoHAsync");
        }
    }

    /// <summary>Copies within the device; the ranges must not overlap.</summary>
    public void Copy(nint destination, nint source, long bytes)
    {
        using (Context.Bind())
        {
            Context.Check(Driver.MemcpyDtoDAsync(destination, source, Length(bytes), Handle), "cuMemcpyDtoDAsync");
        }
    }

    /// <summary>Copies from another context's memory into this stream's context.</summary>
    public void CopyFromPeer(nint destination, CudaContext peer, nint source, long bytes)
    {
        ArgumentNullException.ThrowIfNull(peer);
        using (Context.Bind())
        {
            Context.Check(Driver.MemcpyPeerAsync(destination, Context.Handle, source, peer.Handle, Length(bytes), Handle), "cuMemcpyPeerAsync");
        }
    }

    /// <summary>Sets every byte.</summary>
    public void Fill(nint destination, byte value, long bytes)
    {
        using (Context.Bind())
        {
            Context.Check(Driver.MemsetD8Async(destination, value, Length(bytes), Handle), "cuMemsetD8Async");
        }
    }

    /// <summary>Records what <paramref name="work"/> puts into the stream instead of running it.</summary>
    /// <param name="work">Puts kernels, copies and fills into this stream, from this thread, and neither allocates nor waits.</param>
    /// <returns>The recording.</returns>
    /// <exception cref="CudaException">The work did something that cannot be recorded.</exception>
    public CudaGraph Capture(Action work)
    {
        ArgumentNullException.ThrowIfNull(work);
        using (Context.Bind())
        {
            Context.Check(Driver.StreamBeginCapture(Handle), "cuStreamBeginCapture");
            try
            {
                work();
            }
            catch
            {
                // The stream must leave its capture; the caller gets the work's own error.
                if (Driver.StreamEndCapture(Handle, out nint partial) == CudaResult.Success && partial != 0)
                {
                    Driver.GraphDestroy(partial);
                }
                throw;
            }
            Context.Check(Driver.StreamEndCapture(Handle, out nint graph), "cuStreamEndCapture");
            return new CudaGraph(Context, graph);
        }
    }

    private protected override CudaResult Destroy(ICudaDriver driver, nint resource)
    {
        if (Context.Fault is not null)
        {
            // The driver will not run them any more; otherwise it still does, even after the stream is destroyed.
            _functions.ForgetAll();
        }
        return driver.StreamDestroy(resource);
    }

    private static nuint Length(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        return (nuint)bytes;
    }
}
