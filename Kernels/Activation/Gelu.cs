using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Activation;

/// <summary>GELU with the exact error function, in place on any shape. About 50 FLOPs and 8 bytes moved per element.</summary>
internal static partial class Gelu
{
    /// <summary>x = x · Φ(x).</summary>
    public static void Run(ThreadTeam team, Tensor x) => RunCpu(team, x);
}
