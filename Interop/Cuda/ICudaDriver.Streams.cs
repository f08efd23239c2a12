namespace Llama4Kernels.Interop.Cuda;

/// <content>Streams, events and graphs.</content>
public unsafe partial interface ICudaDriver
{
    /// <summary>cuStreamCreateWithPriority, a stream that does not wait for the legacy default stream.</summary>
    /// <param name="stream">Handle of the stream.</param>
    /// <param name="priority">0, or less for more urgent.</param>
    CudaResult StreamCreate(out nint stream, int priority);

    /// <summary>cuStreamDestroy: returns at once, the stream's work is still done.</summary>
    CudaResult StreamDestroy(nint stream);

    /// <summary>cuStreamSynchronize.</summary>
    CudaResult StreamSynchronize(nint stream);

    /// <summary>cuStreamQuery: <see cref="CudaResult.NotReady"/> while there is work.</summary>
    CudaResult StreamQuery(nint stream);

    /// <summary>cuStreamWaitEvent.</summary>
    CudaResult StreamWaitEvent(nint stream, nint @event);

    /// <summary>cuLaunchHostFunc: a thread of the driver calls the function once when all earlier work of the stream is done.</summary>
    CudaResult LaunchHostFunc(nint stream, delegate* unmanaged<nint, void> function, nint argument);

    /// <summary>cuStreamIsCapturing: true also for a capture that became invalid and has not ended.</summary>
    CudaResult StreamIsCapturing(nint stream, out bool capturing);

    /// <summary>cuEventCreate.</summary>
    CudaResult EventCreate(out nint @event, bool timing);

    /// <summary>cuEventDestroy.</summary>
    CudaResult EventDestroy(nint @event);

    /// <summary>cuEventRecord.</summary>
    CudaResult EventRecord(nint @event, nint stream);

    /// <summary>cuEventQuery: <see cref="CudaResult.NotReady"/> until the event's work is done.</summary>
    CudaResult EventQuery(nint @event);

    /// <summary>cuEventSynchronize.</summary>
    CudaResult EventSynchronize(nint @event);

    /// <summary>cuEventElapsedTime.</summary>
    CudaResult EventElapsedTime(out float milliseconds, nint start, nint end);

    /// <summary>cuStreamBeginCapture in thread-local mode: other threads may call what they like meanwhile.</summary>
    CudaResult StreamBeginCapture(nint stream);

    /// <summary>cuStreamEndCapture; the graph is 0 when the capture became invalid.</summary>
    CudaResult StreamEndCapture(nint stream, out nint graph);

    /// <summary>cuGraphDestroy.</summary>
    CudaResult GraphDestroy(nint graph);

    /// <summary>cuGraphGetNodes, those that launch kernels, in the order in which the driver lists them.</summary>
    CudaResult GraphGetKernelNodes(nint graph, out nint[] nodes);

    /// <summary>cuGraphInstantiateWithFlags.</summary>
    CudaResult GraphInstantiate(out nint executable, nint graph);

    /// <summary>cuGraphExecDestroy.</summary>
    CudaResult GraphExecDestroy(nint executable);

    /// <summary>cuGraphLaunch.</summary>
    CudaResult GraphLaunch(nint executable, nint stream);

    /// <summary>cuGraphExecUpdate from a graph of the same structure.</summary>
    /// <param name="executable">The graph to change.</param>
    /// <param name="graph">The graph to take over.</param>
    /// <param name="reason">Number of the reason (CUgraphExecUpdateResult) when the call fails with <see cref="CudaResult.GraphExecUpdateFailure"/>.</param>
    CudaResult GraphExecUpdate(nint executable, nint graph, out int reason);

    /// <summary>cuGraphExecKernelNodeSetParams: other extents and arguments for one kernel; attributes stay as captured.</summary>
    CudaResult GraphExecKernelNodeSetParams(nint executable, nint node, nint function, in CudaLaunchConfig config, void** arguments);
}
