using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.PtxEmulator.Driver;

/// <content>Graphs.</content>
public sealed unsafe partial class EmulatedCudaDriver
{
    // CUgraphExecUpdateResult.
    private const int TopologyChanged = 2, NodeTypeChanged = 3, ParametersChanged = 5, AttributesChanged = 8;

    /// <inheritdoc/>
    public CudaResult GraphDestroy(nint graph)
    {
        lock (_gate)
        {
            return !TryCurrent(out EmulatedContext? context, out CudaResult error) ? error
                : TryFind<EmulatedGraph>(context, graph, out _) && _objects.Remove(graph) ? CudaResult.Success : CudaResult.InvalidValue;
        }
    }

    /// <inheritdoc/>
    public CudaResult GraphGetKernelNodes(nint graph, out nint[] nodes)
    {
        nodes = [];
        lock (_gate)
        {
            if (!TryCurrent(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            if (!TryFind(context, graph, out EmulatedGraph? found))
            {
                return CudaResult.InvalidValue;
            }
            nodes = [.. found.Nodes.Where(node => node.Work is KernelWork).Select(node => node.Handle)];
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult GraphInstantiate(out nint executable, nint graph)
    {
        executable = 0;
        lock (_gate)
        {
            if (!TryCurrent(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            if (!TryFind(context, graph, out EmulatedGraph? found))
            {
                return CudaResult.InvalidValue;
            }
            executable = Add(new EmulatedGraphExec(context, found.Nodes));
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult GraphExecDestroy(nint executable)
    {
        lock (_gate)
        {
            return !TryCurrent(out EmulatedContext? context, out CudaResult error) ? error
                : TryFind<EmulatedGraphExec>(context, executable, out _) && _objects.Remove(executable) ? CudaResult.Success : CudaResult.InvalidValue;
        }
    }

    /// <inheritdoc/>
    /// <remarks>Nodes run in the order in which they were recorded, which respects every dependency.</remarks>
    public CudaResult GraphLaunch(nint executable, nint stream)
    {
        lock (_gate)
        {
            if (!TryStream(stream, out EmulatedContext? context, out EmulatedStream? queue, out CudaResult error))
            {
                return error;
            }
            if (!TryFind(context, executable, out EmulatedGraphExec? graph))
            {
                return CudaResult.InvalidValue;
            }
            // A real driver would record the graph as a node; nothing here does that.
            if (IsCaptured(queue, ref error))
            {
                return error;
            }
            StreamQueue target = QueueOf(context, queue);
            if (!_options.DeferWork)
            {
                return Run(context, target.Overlap, graph.Nodes);
            }
            foreach (GraphNode node in graph.Nodes)
            {
                CudaResult check = Check(context, node.Work);
                if (check != CudaResult.Success)
                {
                    return check;
                }
            }
            // Later changes of the graph are for later launches.
            return Defer(context, target, [.. graph.Nodes]);
        }
    }

    /// <summary>Runs a graph, which waits for all before it and for which all behind it wait.</summary>
    private CudaResult Run(EmulatedContext context, OverlapHistory overlap, IReadOnlyList<GraphNode> nodes)
    {
        overlap.Clear();
        CudaResult result = RunNodes(context, overlap, nodes);
        overlap.Clear();
        return result;
    }

    private CudaResult RunNodes(EmulatedContext context, OverlapHistory overlap, IReadOnlyList<GraphNode> nodes)
    {
        for (int i = 0; i < nodes.Count;)
        {
            CudaResult result = Check(context, nodes[i].Work);
            if (nodes[i].Work is not KernelWork launch)
            {
                result = result == CudaResult.Success ? Execute(context, overlap, nodes[i].Work) : result;
                i++;
            }
            else
            {
                List<KernelWork> chain = [launch];
                // An edge between two launches is programmatic if the later one was captured so.
                for (i++; result == CudaResult.Success && i < nodes.Count && nodes[i].Work is KernelWork { Config.ProgrammaticSerialization: true } next && nodes[i].DependsOn is [int only] && only == i - 1; i++)
                {
                    result = Check(context, next);
                    chain.Add(next);
                }
                result = result == CudaResult.Success ? Run(context, overlap, chain) : result;
            }
            if (result != CudaResult.Success)
            {
                return result;
            }
        }
        return CudaResult.Success;
    }

    /// <inheritdoc/>
    public CudaResult GraphExecUpdate(nint executable, nint graph, out int reason)
    {
        reason = 0;
        lock (_gate)
        {
            if (!TryCurrent(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            if (!TryFind(context, executable, out EmulatedGraphExec? old) || !TryFind(context, graph, out EmulatedGraph? changed))
            {
                return CudaResult.InvalidValue;
            }
            reason = Difference(old.Nodes, changed.Nodes);
            if (reason != 0)
            {
                return CudaResult.GraphExecUpdateFailure;
            }
            for (int i = 0; i < old.Nodes.Count; i++)
            {
                // The nodes keep the names that they have in the graph they were made from.
                old.Nodes[i] = old.Nodes[i] with { Work = changed.Nodes[i].Work };
            }
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult GraphExecKernelNodeSetParams(nint executable, nint node, nint function, in CudaLaunchConfig config, void** arguments)
    {
        lock (_gate)
        {
            if (!TryCurrent(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            if (!TryFind(context, executable, out EmulatedGraphExec? graph))
            {
                return CudaResult.InvalidValue;
            }
            int index = graph.Nodes.FindIndex(candidate => candidate.Handle == node && candidate.Work is KernelWork);
            if (index < 0 || !TryFind(context, function, out EmulatedFunction? kernel) || !TryCopyArguments(kernel, arguments, out byte[] parameters))
            {
                return CudaResult.InvalidValue;
            }
            CudaLaunchConfig captured = ((KernelWork)graph.Nodes[index].Work).Config;
            var work = new KernelWork(kernel, captured with { Grid = config.Grid, Block = config.Block, SharedBytes = config.SharedBytes }, parameters);
            CudaResult check = Check(context, work);
            if (check == CudaResult.Success)
            {
                graph.Nodes[index] = graph.Nodes[index] with { Work = work };
            }
            return check;
        }
    }

    /// <summary>The reason why one graph cannot take over another's work, or 0.</summary>
    private static int Difference(IReadOnlyList<GraphNode> old, IReadOnlyList<GraphNode> changed)
    {
        if (old.Count != changed.Count)
        {
            return TopologyChanged;
        }
        for (int i = 0; i < old.Count; i++)
        {
            int reason = !old[i].DependsOn.Order().SequenceEqual(changed[i].DependsOn.Order()) ? TopologyChanged
                : old[i].Work.GetType() != changed[i].Work.GetType() ? NodeTypeChanged
                : (old[i].Work, changed[i].Work) switch
                {
                    (CopyWork a, CopyWork b) => a.To == b.To && a.From == b.From ? 0 : ParametersChanged,
                    (KernelWork a, KernelWork b) => a.Config.Cluster == b.Config.Cluster && a.Config.Cooperative == b.Config.Cooperative
                        && a.Config.ProgrammaticSerialization == b.Config.ProgrammaticSerialization ? 0 : AttributesChanged,
                    _ => 0,
                };
            if (reason != 0)
            {
                return reason;
            }
        }
        return 0;
    }
}
