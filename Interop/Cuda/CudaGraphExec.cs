namespace Llama4Kernels.Interop.Cuda;

/// <summary>A graph that is ready to run, any number of times. It outlives the graph that it was made from.</summary>
public sealed unsafe class CudaGraphExec : CudaHandle
{
    internal CudaGraphExec(CudaContext context, nint handle)
        : base(context, handle, owns: true)
    {
    }

    /// <summary>Puts the whole graph into a stream.</summary>
    public void Launch(CudaStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using (Context.Bind())
        {
            Context.Check(Driver.GraphLaunch(Handle, stream.Handle), "cuGraphLaunch");
        }
    }

    /// <summary>Takes over the extents and arguments of a graph of the same structure.</summary>
    /// <returns>False if the structure differs: instantiate that graph instead.</returns>
    public bool TryUpdate(CudaGraph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        using (Context.Bind())
        {
            CudaResult result = Driver.GraphExecUpdate(Handle, graph.Handle, out int reason);
            if (result == CudaResult.GraphExecUpdateFailure)
            {
                return false;
            }
            Context.Check(result, $"cuGraphExecUpdate (reason {reason})");
            return true;
        }
    }

    /// <summary>Gives one kernel other extents and arguments; cluster and other attributes stay as captured.</summary>
    /// <param name="node">One of <see cref="CudaGraph.KernelNodes"/> of the graph that this was made from.</param>
    /// <param name="function">The kernel.</param>
    /// <param name="config">Its extents.</param>
    /// <param name="arguments">Its arguments; copied.</param>
    public void SetKernel(nint node, CudaFunction function, in CudaLaunchConfig config, CudaKernelArguments arguments)
    {
        ArgumentNullException.ThrowIfNull(function);
        ArgumentNullException.ThrowIfNull(arguments);
        config.Validate();
        using (Context.Bind())
        {
            Context.Check(
                Driver.GraphExecKernelNodeSetParams(Handle, node, function.Handle, config, arguments.Pointers),
                $"cuGraphExecKernelNodeSetParams({function.Name})");
        }
    }

    private protected override CudaResult Destroy(ICudaDriver driver, nint resource) => driver.GraphExecDestroy(resource);
}
