namespace Llama4Kernels.Interop.Cuda;

/// <content>Streams, events and graphs.</content>
public sealed unsafe partial class CudaDriver
{
    private const uint StreamNonBlocking = 1;
    private const uint EventDisableTiming = 2;
    private const int CaptureThreadLocal = 1;
    private const int KernelNode = 0;

    /// <inheritdoc/>
    public CudaResult StreamCreate(out nint stream, int priority)
    {
        fixed (nint* p = &stream)
        {
            return CudaNative.cuStreamCreateWithPriority(p, StreamNonBlocking, priority);
        }
    }

    /// <inheritdoc/>
    public CudaResult StreamDestroy(nint stream) => CudaNative.cuStreamDestroy_v2(stream);

    /// <inheritdoc/>
    public CudaResult StreamSynchronize(nint stream) => CudaNative.cuStreamSynchronize(stream);

    /// <inheritdoc/>
    public CudaResult StreamQuery(nint stream) => CudaNative.cuStreamQuery(stream);

    /// <inheritdoc/>
    public CudaResult StreamWaitEvent(nint stream, nint @event) => CudaNative.cuStreamWaitEvent(stream, @event, 0);

    /// <inheritdoc/>
    public CudaResult LaunchHostFunc(nint stream, delegate* unmanaged<nint, void> function, nint argument) =>
        CudaNative.cuLaunchHostFunc(stream, function, argument);

    /// <inheritdoc/>
    public CudaResult StreamIsCapturing(nint stream, out bool capturing)
    {
        int status = 0;
        CudaResult result = CudaNative.cuStreamIsCapturing(stream, &status);
        capturing = status != 0;
        return result;
    }

    /// <inheritdoc/>
    public CudaResult EventCreate(out nint @event, bool timing)
    {
        fixed (nint* p = &@event)
        {
            return CudaNative.cuEventCreate(p, timing ? 0 : EventDisableTiming);
        }
    }

    /// <inheritdoc/>
    public CudaResult EventDestroy(nint @event) => CudaNative.cuEventDestroy_v2(@event);

    /// <inheritdoc/>
    public CudaResult EventRecord(nint @event, nint stream) => CudaNative.cuEventRecord(@event, stream);

    /// <inheritdoc/>
    public CudaResult EventQuery(nint @event) => CudaNative.cuEventQuery(@event);

    /// <inheritdoc/>
    public CudaResult EventSynchronize(nint @event) => CudaNative.cuEventSynchronize(@event);

    /// <inheritdoc/>
    public CudaResult EventElapsedTime(out float milliseconds, nint start, nint end)
    {
        fixed (float* p = &milliseconds)
        {
            return CudaNative.cuEventElapsedTime(p, start, end);
        }
    }

    /// <inheritdoc/>
    public CudaResult StreamBeginCapture(nint stream) => CudaNative.cuStreamBeginCapture_v2(stream, CaptureThreadLocal);

    /// <inheritdoc/>
    public CudaResult StreamEndCapture(nint stream, out nint graph)
    {
        graph = 0;
        fixed (nint* p = &graph)
        {
            return CudaNative.cuStreamEndCapture(stream, p);
        }
    }

    /// <inheritdoc/>
    public CudaResult GraphDestroy(nint graph) => CudaNative.cuGraphDestroy(graph);

    /// <inheritdoc/>
    public CudaResult GraphGetKernelNodes(nint graph, out nint[] nodes)
    {
        nodes = [];
        nuint count = 0;
        CudaResult result = CudaNative.cuGraphGetNodes(graph, null, &count);
        if (result != CudaResult.Success || count == 0)
        {
            return result;
        }
        nint[] all = new nint[count];
        fixed (nint* p = all)
        {
            result = CudaNative.cuGraphGetNodes(graph, p, &count);
        }
        List<nint> kernels = [];
        for (int i = 0; i < all.Length && result == CudaResult.Success; i++)
        {
            int type = 0;
            result = CudaNative.cuGraphNodeGetType(all[i], &type);
            if (type == KernelNode)
            {
                kernels.Add(all[i]);
            }
        }
        nodes = [.. kernels];
        return result;
    }

    /// <inheritdoc/>
    public CudaResult GraphInstantiate(out nint executable, nint graph)
    {
        fixed (nint* p = &executable)
        {
            return CudaNative.cuGraphInstantiateWithFlags(p, graph, 0);
        }
    }

    /// <inheritdoc/>
    public CudaResult GraphExecDestroy(nint executable) => CudaNative.cuGraphExecDestroy(executable);

    /// <inheritdoc/>
    public CudaResult GraphLaunch(nint executable, nint stream) => CudaNative.cuGraphLaunch(executable, stream);

    /// <inheritdoc/>
    public CudaResult GraphExecUpdate(nint executable, nint graph, out int reason)
    {
        GraphUpdateResult update = default;
        CudaResult result = CudaNative.cuGraphExecUpdate_v2(executable, graph, &update);
        reason = update.Result;
        return result;
    }

    /// <inheritdoc/>
    public CudaResult GraphExecKernelNodeSetParams(nint executable, nint node, nint function, in CudaLaunchConfig config, void** arguments)
    {
        var parameters = new KernelNodeParameters
        {
            Function = function,
            GridX = (uint)config.Grid.X,
            GridY = (uint)config.Grid.Y,
            GridZ = (uint)config.Grid.Z,
            BlockX = (uint)config.Block.X,
            BlockY = (uint)config.Block.Y,
            BlockZ = (uint)config.Block.Z,
            SharedBytes = (uint)config.SharedBytes,
            Arguments = arguments,
        };
        return CudaNative.cuGraphExecKernelNodeSetParams_v2(executable, node, &parameters);
    }
}
