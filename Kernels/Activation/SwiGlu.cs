using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Activation;

/// <summary>Gated activation. gateUp [T, 2F] (gate first), output [T, F]. About 25·T·F FLOPs, 12·T·F bytes moved.</summary>
internal static partial class SwiGlu
{
    /// <summary>output[:, j] = silu(gateUp[:, j]) · gateUp[:, F + j].</summary>
    /// <exception cref="ArgumentException">Shapes differ.</exception>
    public static void Run(ThreadTeam team, Tensor gateUp, Tensor output)
    {
        Check(MemoryPlace.Host, gateUp, output);
        RunCpu(team, gateUp, output);
    }

    internal static void Check(MemoryPlace place, Tensor gateUp, Tensor output)
    {
        ShapeCheck.Require(output, place, output.Rows, output.Columns, nameof(output));
        ShapeCheck.Require(gateUp, place, output.Rows, 2 * output.Columns, nameof(gateUp));
    }
}
