using System.Globalization;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.PtxEmulator.Driver;

/// <content>Work that streams do when somebody waits for it.</content>
public sealed unsafe partial class EmulatedCudaDriver
{
    /// <summary>Pinned ranges that were freed while work used them.</summary>
    private readonly List<nint> _leftovers = [];

    private static StreamQueue QueueOf(EmulatedContext context, EmulatedStream? stream) => stream?.Queue ?? context.Default;

    private IEnumerable<StreamQueue> Queues(EmulatedContext context) =>
        _objects.Values.OfType<EmulatedStream>().Where(stream => stream.Context == context).Select(stream => stream.Queue).Prepend(context.Default).Concat(context.Orphans);

    private bool IsBusy(EmulatedContext context) => Queues(context).Any(queue => queue.Waiting.Count > 0);

    /// <summary>Puts work that was checked at the end of a stream.</summary>
    private CudaResult Defer(EmulatedContext context, StreamQueue queue, IReadOnlyList<GraphNode> nodes)
    {
        if (nodes is not [{ Work: CopyWork copy }])
        {
            var work = new QueuedWork(context, queue) { Nodes = nodes };
            foreach (CopyWork part in nodes.Select(node => node.Work).OfType<CopyWork>().Where(part => part.From is null && part.Bytes > 0 && !MayBeWritten(part)))
            {
                work.Watch(part);
            }
            queue.Add(work);
            return CudaResult.Success;
        }
        bool pinned = copy.Bytes == 0 || TryPinned(copy.From is null ? copy.Source : copy.Destination, out _, out _);
        if (copy.From is null && copy.Bytes > 0 && !pinned)
        {
            // Memory that is not pinned is read before the call returns.
            nint kept = QueuedWork.Snapshot(copy);
            queue.Add(new QueuedWork(context, queue) { Nodes = [new GraphNode(0, copy with { Source = kept }, [])], Owned = kept });
            return CudaResult.Success;
        }
        var deferred = new QueuedWork(context, queue) { Nodes = nodes };
        if (copy.From is null && copy.Bytes > 0 && !MayBeWritten(copy))
        {
            deferred.Watch(copy);
        }
        queue.Add(deferred);
        // Memory that is not pinned is written before the call returns.
        return copy.To is null && !pinned ? RunThrough(deferred) : CudaResult.Success;
    }

    /// <summary>A copy that is done before the call returns, in the legacy stream.</summary>
    private CudaResult CopyNow(EmulatedContext context, CopyWork copy)
    {
        CudaResult result = CheckAndExecute(context, context.Default, copy);
        return result == CudaResult.Success ? RunAll(context, context.Default) : result;
    }

    /// <summary>Puts an event's mark at the end of a stream.</summary>
    private void Mark(EmulatedContext context, StreamQueue queue, EmulatedEvent mark)
    {
        mark.Marker = null;
        if (mark.Capture is not null)
        {
            return;
        }
        if (!_options.DeferWork || queue.Waiting.Count == 0)
        {
            mark.Reach(queue.Overlap);
            return;
        }
        mark.Marker = new QueuedWork(context, queue) { Mark = mark };
        queue.Add(mark.Marker);
    }

    /// <summary>The host waits for an event.</summary>
    private CudaResult Reach(EmulatedContext context, EmulatedEvent mark)
    {
        CudaResult result = mark.Marker is QueuedWork marker ? RunThrough(marker) : CudaResult.Success;
        mark.Passed();
        return result == CudaResult.Success ? context.Fault : result;
    }

    private CudaResult RunAll(EmulatedContext context)
    {
        foreach (StreamQueue queue in Queues(context).ToArray())
        {
            _ = RunAll(context, queue);
        }
        context.Orphans.ForEach(queue => queue.Dispose());
        context.Orphans.Clear();
        context.Memory.ReleaseKept();
        return context.Fault;
    }

    /// <summary>The host waits for a stream.</summary>
    private CudaResult RunAll(EmulatedContext context, StreamQueue queue)
    {
        if (queue.Waiting.Count > 0)
        {
            _ = RunThrough(queue.Last!);
        }
        queue.Overlap.Clear();
        return context.Fault;
    }

    private CudaResult RunThrough(QueuedWork last)
    {
        while (!last.IsDone)
        {
            QueuedWork work = last.Queue.Waiting.Peek();
            if (work.After is QueuedWork other)
            {
                _ = RunThrough(other);
            }
            last.Queue.Waiting.Dequeue();
            List<QueuedWork> together = [work];
            while (work.Kernel is not null && together[^1] != last && last.Queue.Waiting.TryPeek(out QueuedWork? next) && next.IsDependent)
            {
                together.Add(last.Queue.Waiting.Dequeue());
            }
            Run(together);
        }
        return last.Context.Fault;
    }

    /// <summary>Runs one piece of work, or launches of which each may overlap the one before.</summary>
    private void Run(IReadOnlyList<QueuedWork> works)
    {
        QueuedWork first = works[0];
        EmulatedContext context = first.Context;
        if (context.Fault == CudaResult.Success)
        {
            CudaResult result;
            if (first.Changed() is CopyWork changed)
            {
                result = Fault(context, HostMemoryFinding("The host changed", first, changed.Source, changed.Bytes));
            }
            else if (first.Nodes.Count == 1)
            {
                result = works.SelectMany(work => work.Nodes).Select(node => Check(context, node.Work)).FirstOrDefault(check => check != CudaResult.Success);
                if (result == CudaResult.Success)
                {
                    result = first.Kernel is null
                        ? Execute(context, first.Queue.Overlap, first.Nodes[0].Work)
                        : Run(context, first.Queue.Overlap, [.. works.Select(work => work.Kernel!)]);
                }
            }
            else
            {
                result = first.Nodes.Count == 0 ? CudaResult.Success : Run(context, first.Queue.Overlap, first.Nodes);
            }
            if (result != CudaResult.Success && context.Fault == CudaResult.Success)
            {
                // It was right when it was put into the stream: something it uses is gone.
                _ = Fault(context, result == CudaResult.InvalidValue ? CudaResult.IllegalAddress : result, _detail.Value);
            }
        }
        foreach (QueuedWork work in works)
        {
            work.Mark?.Reach(work.Queue.Overlap);
            work.Finish();
        }
    }

    /// <summary>Whether other work that was put into a stream may write to a copy's source.</summary>
    private bool MayBeWritten(CopyWork copy) => _contexts.Values.SelectMany(Queues).SelectMany(queue => queue.Waiting)
        .Any(work => work.Nodes.Any(node => node.Work is HostWork) || work.HostRanges.Any(range => range.Writes && Overlap(range.Start, range.Bytes, copy.Source, copy.Bytes)));

    /// <summary>Work that has still to use a range of the host, or null.</summary>
    private QueuedWork? InFlight(nint start, nuint bytes) => _contexts.Values.SelectMany(Queues).SelectMany(queue => queue.Waiting)
        .FirstOrDefault(work => work.HostRanges.Any(range => Overlap(range.Start, range.Bytes, start, bytes)));

    private static bool Overlap(nint a, nuint aBytes, nint b, nuint bBytes) => (nuint)a < (nuint)b + bBytes && (nuint)b < (nuint)a + aBytes;

    private static PtxFinding HostMemoryFinding(string what, QueuedWork user, nint start, nuint bytes) => new(PtxFindingKind.InFlight, user.Nodes.Count > 1 ? "a graph" : "a copy", 0, default, 0,
        string.Create(CultureInfo.InvariantCulture, $"{what} {bytes} bytes of host memory at 0x{start:x} that its stream has still to use."));

    private CudaResult FreeInOrder(EmulatedContext context, StreamQueue queue, nint address)
    {
        if (address == 0 || queue.Waiting.Count == 0)
        {
            return Free(context, address);
        }
        if (!context.Allocations.ContainsKey(address))
        {
            return CudaResult.InvalidValue;
        }
        queue.Add(new QueuedWork(context, queue) { Nodes = [new GraphNode(0, new FreeWork(address), [])] });
        return CudaResult.Success;
    }
}
