using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// y [T, out] = x [T, in] · Wᵀ (+ bias [out]) with weights w = s·c + β that are decoded on the way: each weight is the float32
/// that its code, scale and offset stand for. FLOPs 2·T·in·out; weight bytes as stored, per 96 tokens. An output is the sum, in
/// ascending order, of the sums of 128 columns, each of those one accumulator in ascending column order: it depends neither on
/// the number of tokens, nor on the threads, nor on the width of vectors. NaN propagates.
/// </summary>
internal static unsafe partial class AffineProduct
{
    /// <summary>Fills y.</summary>
    /// <param name="team">Shares the panels out.</param>
    /// <param name="scratch">Holds rows of x that must be padded.</param>
    /// <param name="x">[tokens, in], contiguous; unchanged.</param>
    /// <param name="tokens">T, may be 0.</param>
    /// <param name="w">[out, in]</param>
    /// <param name="bias">[out] or null</param>
    /// <param name="y">[tokens, out], contiguous; must not overlap x.</param>
    /// <param name="width">The vectors to use.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number of tokens is negative.</exception>
    public static void Run(ThreadTeam team, CpuScratch scratch, float* x, int tokens, AffineMatrix w, float* bias, float* y, AffineWidth width)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        if (tokens > 0)
        {
            RunCpu(team, scratch, x, tokens, w, bias, y, width);
        }
    }
}

/// <summary>How products with decoded weights run.</summary>
internal enum AffineWidth
{
    /// <summary>Vectors of 512 bits, and assembled products of decoded weights with several tokens.</summary>
    Assembled,

    /// <summary>Vectors of 512 bits.</summary>
    Vector512,

    /// <summary>Vectors of 256 bits.</summary>
    Vector256,

    /// <summary>Vectors of 128 bits.</summary>
    Vector128,

    /// <summary>No vectors.</summary>
    Scalar,
}
