using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// y [T, out] = x [T, in] · Wᵀ (+ bias [out]) with quantised weights that are decoded in registers. FLOPs 2·T·in·out; weight
/// bytes in·out (FP8) or in·out/2 (int4) per four tokens, mostly from cache. A sum has one accumulator per scale, columns
/// ascending, so it depends neither on the number of tokens nor on the threads. NaN propagates.
/// </summary>
internal static unsafe partial class QuantisedProduct
{
    /// <summary>Fills y.</summary>
    /// <param name="team">Shares the panels out.</param>
    /// <param name="scratch">Holds quantised activations.</param>
    /// <param name="x">[tokens, in], contiguous; unchanged.</param>
    /// <param name="tokens">T, may be 0.</param>
    /// <param name="w">[out, in]</param>
    /// <param name="bias">[out] or null</param>
    /// <param name="y">[tokens, out], contiguous; must not overlap x.</param>
    /// <param name="scalar">Forces the implementation without vectors.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number of tokens is negative.</exception>
    public static void Run(ThreadTeam team, CpuScratch scratch, float* x, int tokens, PackedMatrix w, float* bias, float* y, bool scalar = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        if (tokens > 0)
        {
            RunCpu(team, scratch, x, tokens, w, bias, y, scalar);
        }
    }
}
