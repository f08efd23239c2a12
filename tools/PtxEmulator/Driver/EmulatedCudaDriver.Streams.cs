using System.Diagnostics.CodeAnalysis;
using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.PtxEmulator.Driver;

/// <content>Streams, events and captures.</content>
public sealed unsafe partial class EmulatedCudaDriver
{
    private readonly List<Capture> _captures = [];

    /// <inheritdoc/>
    public CudaResult StreamCreate(out nint stream, int priority)
    {
        stream = 0;
        lock (_gate)
        {
            if (!TryCurrent(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            stream = Add(new EmulatedStream(context));
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult StreamDestroy(nint stream)
    {
        lock (_gate)
        {
            if (!TryCurrent(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            if (!TryFind(context, stream, out EmulatedStream? queue))
            {
                return CudaResult.InvalidHandle;
            }
            if (queue.Capture is Capture capture)
            {
                capture.Invalid = true;
                if (capture.Origin == queue)
                {
                    End(capture);
                }
            }
            if (queue.Queue.Waiting.Count > 0)
            {
                // Its work is done all the same.
                context.Orphans.Add(queue.Queue);
                _objects.Remove(stream);
                return CudaResult.Success;
            }
            Forget(stream, queue);
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult StreamSynchronize(nint stream)
    {
        lock (_gate)
        {
            if (!TryStream(stream, out EmulatedContext? context, out EmulatedStream? queue, out CudaResult error) || IsCaptured(queue, ref error))
            {
                return error;
            }
            return RunAll(context, QueueOf(context, queue));
        }
    }

    /// <inheritdoc/>
    public CudaResult StreamQuery(nint stream) => StreamSynchronize(stream);

    /// <inheritdoc/>
    public CudaResult StreamWaitEvent(nint stream, nint @event)
    {
        lock (_gate)
        {
            if (!TryStream(stream, out EmulatedContext? context, out EmulatedStream? queue, out CudaResult error))
            {
                return error;
            }
            if (!TryFind(context, @event, out EmulatedEvent? mark))
            {
                return CudaResult.InvalidHandle;
            }
            if (mark.Capture is not Capture capture || !_captures.Contains(capture))
            {
                // What was recorded outside is no part of a capture; a mark that nobody recorded is passed.
                if (queue?.Capture is not null && mark.Recorded)
                {
                    return Invalidate(queue.Capture, CudaResult.StreamCaptureIsolation);
                }
                if (mark.Marker is { IsDone: false } marker)
                {
                    StreamQueue waiting = QueueOf(context, queue);
                    waiting.Add(new QueuedWork(context, waiting) { After = marker });
                }
                return CudaResult.Success;
            }
            if (queue is null)
            {
                return Invalidate(capture, CudaResult.StreamCaptureImplicit);
            }
            if (queue.Capture is Capture own && own != capture)
            {
                Invalidate(own, CudaResult.StreamCaptureMerge);
                return Invalidate(capture, CudaResult.StreamCaptureMerge);
            }
            queue.Capture = capture;
            queue.Frontier.UnionWith(mark.Frontier);
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    /// <remarks>The calling thread runs it, and others that use the driver wait.</remarks>
    public CudaResult LaunchHostFunc(nint stream, delegate* unmanaged<nint, void> function, nint argument)
    {
        lock (_gate)
        {
            return !TryStream(stream, out EmulatedContext? context, out EmulatedStream? queue, out CudaResult error) ? error
                : function == null ? CudaResult.InvalidValue
                : Submit(context, queue, new HostWork((nint)function, argument));
        }
    }

    /// <inheritdoc/>
    public CudaResult StreamIsCapturing(nint stream, out bool capturing)
    {
        lock (_gate)
        {
            capturing = TryStream(stream, out _, out EmulatedStream? queue, out CudaResult error) && queue?.Capture is not null;
            return error;
        }
    }

    /// <inheritdoc/>
    public CudaResult EventCreate(out nint @event, bool timing)
    {
        @event = 0;
        lock (_gate)
        {
            if (!TryCurrent(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            @event = Add(new EmulatedEvent(context, timing));
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult EventDestroy(nint @event)
    {
        lock (_gate)
        {
            if (!TryCurrent(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            return TryFind<EmulatedEvent>(context, @event, out _) && _objects.Remove(@event) ? CudaResult.Success : CudaResult.InvalidHandle;
        }
    }

    /// <inheritdoc/>
    public CudaResult EventRecord(nint @event, nint stream)
    {
        lock (_gate)
        {
            if (!TryStream(stream, out EmulatedContext? context, out EmulatedStream? queue, out CudaResult error))
            {
                return error;
            }
            if (!TryFind(context, @event, out EmulatedEvent? mark))
            {
                return CudaResult.InvalidHandle;
            }
            mark.Record(queue);
            Mark(context, QueueOf(context, queue), mark);
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult EventQuery(nint @event)
    {
        lock (_gate)
        {
            if (!TryCurrent(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            if (!TryFind(context, @event, out EmulatedEvent? mark))
            {
                return CudaResult.InvalidHandle;
            }
            return mark.Capture is null ? Reach(context, mark)
                : _captures.Contains(mark.Capture) ? Invalidate(mark.Capture, CudaResult.CapturedEvent) : CudaResult.CapturedEvent;
        }
    }

    /// <inheritdoc/>
    public CudaResult EventSynchronize(nint @event) => EventQuery(@event);

    /// <inheritdoc/>
    public CudaResult EventElapsedTime(out float milliseconds, nint start, nint end)
    {
        milliseconds = 0;
        lock (_gate)
        {
            if (!TryCurrent(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            if (!TryFind(context, start, out EmulatedEvent? first) || !TryFind(context, end, out EmulatedEvent? last)
                || !first.Timing || !last.Timing || !first.Recorded || !last.Recorded)
            {
                return CudaResult.InvalidHandle;
            }
            if (first.Capture is not null || last.Capture is not null)
            {
                return CudaResult.CapturedEvent;
            }
            if (first.Marker is { IsDone: false } || last.Marker is { IsDone: false })
            {
                return CudaResult.NotReady;
            }
            milliseconds = last.MillisecondsSince(first);
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult StreamBeginCapture(nint stream)
    {
        lock (_gate)
        {
            if (!TryStream(stream, out _, out EmulatedStream? queue, out CudaResult error))
            {
                return error;
            }
            if (queue is null)
            {
                return CudaResult.StreamCaptureUnsupported;
            }
            if (queue.Capture is not null)
            {
                return CudaResult.IllegalState;
            }
            queue.Capture = new Capture(queue, Environment.CurrentManagedThreadId);
            _captures.Add(queue.Capture);
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult StreamEndCapture(nint stream, out nint graph)
    {
        graph = 0;
        lock (_gate)
        {
            if (!TryStream(stream, out EmulatedContext? context, out EmulatedStream? queue, out CudaResult error))
            {
                return error;
            }
            if (queue?.Capture is not Capture capture)
            {
                return CudaResult.IllegalState;
            }
            if (capture.Thread != Environment.CurrentManagedThreadId)
            {
                return CudaResult.StreamCaptureWrongThread;
            }
            if (capture.Origin != queue)
            {
                return Invalidate(capture, CudaResult.StreamCaptureUnmatched);
            }
            bool joined = IsJoined(capture);
            End(capture);
            if (capture.Invalid)
            {
                return CudaResult.StreamCaptureInvalidated;
            }
            if (!joined)
            {
                return CudaResult.StreamCaptureUnjoined;
            }
            graph = Add(new EmulatedGraph(context, capture.Nodes));
            return CudaResult.Success;
        }
    }

    /// <summary>The stream of the current context; the legacy stream, 0, has no object.</summary>
    private bool TryStream(nint stream, [NotNullWhen(true)] out EmulatedContext? context, out EmulatedStream? queue, out CudaResult error)
    {
        queue = null;
        if (!TryCurrent(out context, out error))
        {
            return false;
        }
        if (stream != 0 && !TryFind(context, stream, out queue))
        {
            error = CudaResult.InvalidHandle;
        }
        return error == CudaResult.Success;
    }

    /// <summary>For calls that a captured stream does not take: whether it is captured, which ends its capture.</summary>
    private static bool IsCaptured(EmulatedStream? queue, ref CudaResult error)
    {
        if (queue?.Capture is not Capture capture)
        {
            return false;
        }
        error = Invalidate(capture, CudaResult.StreamCaptureUnsupported);
        return true;
    }

    private static CudaResult Invalidate(Capture capture, CudaResult result)
    {
        capture.Invalid = true;
        return result;
    }

    /// <summary>Whether everything recorded precedes what the origin would record next.</summary>
    private static bool IsJoined(Capture capture)
    {
        HashSet<int> followed = [.. capture.Nodes.SelectMany(node => node.DependsOn)];
        return Enumerable.Range(0, capture.Nodes.Count).All(i => followed.Contains(i) || capture.Origin.Frontier.Contains(i));
    }

    private void End(Capture capture)
    {
        _captures.Remove(capture);
        foreach (EmulatedStream member in _objects.Values.OfType<EmulatedStream>().Where(member => member.Capture == capture))
        {
            member.Capture = null;
            member.Frontier.Clear();
        }
    }
}
