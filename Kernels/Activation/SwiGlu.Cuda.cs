using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Activation;

/// <summary><see cref="SwiGlu"/> on a device.</summary>
internal static class SwiGluCuda
{
    internal static readonly KernelOption[] Kernels = [new("SwiGlu", "swiglu", "groups of a row share its columns")];

    /// <summary>As <see cref="SwiGlu.Run"/>, on a device.</summary>
    /// <exception cref="ArgumentException">Shapes differ.</exception>
    public static void Run(CudaQueue queue, Tensor gateUp, Tensor output)
    {
        SwiGlu.Check(MemoryPlace.Device, gateUp, output);
        int threads = KernelCall.ThreadsFor(output.Columns);
        queue.Call("swiglu").View(gateUp).View(output).Value(output.Columns)
            .Run(new(output.Rows, KernelCall.Parts(output.Rows, output.Columns, threads, queue.Kernels.Limits)), threads);
    }
}
