using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Activation;

/// <summary>Elementwise sum into the residual stream. x, destination [T, D]. T·D FLOPs, 12·T·D bytes moved.</summary>
internal static partial class ResidualAdd
{
    /// <summary>destination += x.</summary>
    /// <exception cref="ArgumentException">Shapes differ.</exception>
    public static void Run(ThreadTeam team, Tensor x, Tensor destination)
    {
        Check(MemoryPlace.Host, x, destination);
        RunCpu(team, x, destination);
    }

    internal static void Check(MemoryPlace place, Tensor x, Tensor destination)
    {
        ShapeCheck.Require(destination, place, destination.Rows, destination.Columns, nameof(destination));
        ShapeCheck.Require(x, place, destination.Rows, destination.Columns, nameof(x));
    }
}
