namespace Llama4Kernels.Interop.Cuda;

/// <summary>Recorded work of a stream, made by <see cref="CudaStream.Capture"/>.</summary>
public sealed class CudaGraph : CudaHandle
{
    internal CudaGraph(CudaContext context, nint handle)
        : base(context, handle, owns: true)
    {
    }

    /// <summary>Handles of the nodes that launch kernels, for <see cref="CudaGraphExec.SetKernel"/>.</summary>
    public IReadOnlyList<nint> KernelNodes()
    {
        using (Context.Bind())
        {
            Context.Check(Driver.GraphGetKernelNodes(Handle, out nint[] nodes), "cuGraphGetNodes");
            return nodes;
        }
    }

    /// <summary>Makes it ready to run.</summary>
    public CudaGraphExec Instantiate()
    {
        using (Context.Bind())
        {
            Context.Check(Driver.GraphInstantiate(out nint executable, Handle), "cuGraphInstantiateWithFlags");
            return new CudaGraphExec(Context, executable);
        }
    }

    private protected override CudaResult Destroy(ICudaDriver driver, nint resource) => driver.GraphDestroy(resource);
}
