using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Normalization;

/// <summary>
/// Root-mean-square normalisation. x, output [T, D]; weight [1, D]. x and output may be the same tensor. The mean square
/// is accumulated in float64. 4·T·D FLOPs, 8·T·D bytes moved.
/// </summary>
internal static partial class RmsNorm
{
    /// <summary>output = x · rsqrt(mean(x²) + eps) · weight, per row.</summary>
    /// <exception cref="ArgumentException">Shapes differ.</exception>
    public static void Run(ThreadTeam team, Tensor x, Tensor weight, float eps, Tensor output)
    {
        Check(MemoryPlace.Host, x, weight, output);
        RunCpu(team, x, weight, eps, output);
    }

    internal static void Check(MemoryPlace place, Tensor x, Tensor weight, Tensor output)
    {
        ShapeCheck.Require(x, place, x.Rows, x.Columns, nameof(x));
        ShapeCheck.Require(weight, place, 1, x.Columns, nameof(weight));
        ShapeCheck.Require(output, place, x.Rows, x.Columns, nameof(output));
    }
}
