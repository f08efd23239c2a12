using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Activation;

/// <summary>GELU with the exact error function, in place on any shape. About 50 FLOPs and 8 bytes moved per element.</summary>
internal static partial class Gelu
{
    /// <summary>x = x · Φ(x).</summary>
    /// <exception cref="ArgumentException">Not float32 on the host.</exception>
    public static void Run(ThreadTeam team, Tensor x)
    {
        Check(MemoryPlace.Host, x);
        RunCpu(team, x);
    }

    internal static void Check(MemoryPlace place, Tensor x) => ShapeCheck.Require(x, place, x.Rows, x.Columns, nameof(x));
}
