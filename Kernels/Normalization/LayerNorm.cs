using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Normalization;

/// <summary>
/// Layer normalisation. x, output [T, D]; weight, bias [1, D]. x and output may be the same tensor. Mean, then variance
/// in a second pass, both accumulated in float64. 8·T·D FLOPs, 8·T·D bytes moved.
/// </summary>
internal static partial class LayerNorm
{
    /// <summary>output = (x − mean) · rsqrt(var + eps) · weight + bias, per row; var is the biased variance.</summary>
    /// <exception cref="ArgumentException">Shapes differ.</exception>
    public static void Run(ThreadTeam team, Tensor x, Tensor weight, Tensor bias, float eps, Tensor output)
    {
        Check(MemoryPlace.Host, x, weight, bias, output);
        RunCpu(team, x, weight, bias, eps, output);
    }

    internal static void Check(MemoryPlace place, Tensor x, Tensor weight, Tensor bias, Tensor output)
    {
        ShapeCheck.Require(x, place, x.Rows, x.Columns, nameof(x));
        ShapeCheck.Require(weight, place, 1, x.Columns, nameof(weight));
        ShapeCheck.Require(bias, place, 1, x.Columns, nameof(bias));
        ShapeCheck.Require(output, place, x.Rows, x.Columns, nameof(output));
    }
}
