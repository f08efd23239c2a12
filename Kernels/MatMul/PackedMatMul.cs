using System.Runtime.Intrinsics.X86;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// y = x·Wᵀ (+ bias) for packed matrices. Every output is one float32 sum over ascending k, rounded once per fused
/// multiply-add, then the bias is added; so results are bitwise the same for every thread count and every batch size.
/// 2·T·out·in FLOPs; W is read once for up to 12 tokens and stays in cache after that.
/// </summary>
public static unsafe class PackedMatMul
{
    /// <summary>Multiplies.</summary>
    /// <param name="team">Threads that share the work.</param>
    /// <param name="x">Activations [tokens, in], contiguous.</param>
    /// <param name="tokens">Rows of x and y, 0 or more.</param>
    /// <param name="w">Weights [out, in].</param>
    /// <param name="bias">[out], or null.</param>
    /// <param name="y">Output [tokens, out]; must not overlap x.</param>
    /// <param name="yStride">Floats between rows of y, at least out.</param>
    /// <param name="precision">Treatment of activations with bf16 weights.</param>
    /// <param name="strategy">Forces an implementation.</param>
    /// <exception cref="ArgumentException">The stride is less than out, or the strategy cannot serve the format and precision.</exception>
    /// <exception cref="PlatformNotSupportedException">The forced strategy is not available here; the message says why.</exception>
    public static void Run(ThreadTeam team, float* x, int tokens, PackedMatrix w, float* bias, float* y, int yStride,
        MatMulPrecision precision = MatMulPrecision.Float32, MatMulStrategy strategy = MatMulStrategy.Auto)
    {
        ArgumentNullException.ThrowIfNull(team);
        ArgumentNullException.ThrowIfNull(w);
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        if (yStride < w.Rows)
        {
            throw new ArgumentException($"A row stride of {yStride} is too small for y [{tokens}, {w.Rows}].", nameof(yStride));
        }
        if (tokens == 0)
        {
            return;
        }
        bool bf16 = w.Format == ElementType.BF16;
        bool round = bf16 && precision == MatMulPrecision.BFloat16;
        switch (Resolve(strategy, w.Format, precision))
        {
            case MatMulStrategy.Avx512Bf16:
                Run<Bf16DotTiles>(team, x, tokens, w, bias, y, yStride, round);
                break;
            case MatMulStrategy.Avx512 when bf16:
                Run<Avx512Tiles<Bf16Weights>>(team, x, tokens, w, bias, y, yStride, round);
                break;
            case MatMulStrategy.Avx512:
                Run<Avx512Tiles<F32Weights>>(team, x, tokens, w, bias, y, yStride, round);
                break;
            case MatMulStrategy.Avx2 when bf16:
                Run<Avx2Tiles<Bf16Weights>>(team, x, tokens, w, bias, y, yStride, round);
                break;
            case MatMulStrategy.Avx2:
                Run<Avx2Tiles<F32Weights>>(team, x, tokens, w, bias, y, yStride, round);
                break;
            case MatMulStrategy.Portable when bf16:
                Run<PortableTiles<Bf16Weights>>(team, x, tokens, w, bias, y, yStride, round);
                break;
            default:
                Run<PortableTiles<F32Weights>>(team, x, tokens, w, bias, y, yStride, round);
                break;
        }
        GC.KeepAlive(w);
    }

    /// <summary>Whether this machine can run a strategy; if not, <paramref name="reason"/> says why.</summary>
    public static bool IsAvailable(MatMulStrategy strategy, out string reason)
    {
        reason = strategy switch
        {
            MatMulStrategy.Avx512Bf16 => Bf16DotTiles.Unavailable ?? "",
            MatMulStrategy.Avx512 when !Avx512BW.IsSupported => "The processor or the system has no AVX-512.",
            MatMulStrategy.Avx2 when !(Avx2.IsSupported && Fma.IsSupported) => "The processor has no AVX2 with FMA.",
            _ => "",
        };
        return reason.Length == 0;
    }

    /// <summary>The strategy that a call with these arguments runs.</summary>
    /// <exception cref="ArgumentException">The strategy cannot serve the format and precision.</exception>
    /// <exception cref="PlatformNotSupportedException">The forced strategy is not available here.</exception>
    public static MatMulStrategy Resolve(MatMulStrategy strategy, ElementType format, MatMulPrecision precision)
    {
        bool dot = format == ElementType.BF16 && precision == MatMulPrecision.BFloat16;
        if (strategy == MatMulStrategy.Auto)
        {
            return dot && IsAvailable(MatMulStrategy.Avx512Bf16, out _) ? MatMulStrategy.Avx512Bf16
                : IsAvailable(MatMulStrategy.Avx512, out _) ? MatMulStrategy.Avx512
                : IsAvailable(MatMulStrategy.Avx2, out _) ? MatMulStrategy.Avx2
                : MatMulStrategy.Portable;
        }
        if (!Enum.IsDefined(strategy))
        {
            throw new ArgumentOutOfRangeException(nameof(strategy), strategy, "Unknown strategy.");
        }
        if (strategy == MatMulStrategy.Avx512Bf16 && !dot)
        {
            throw new ArgumentException($"{strategy} multiplies bf16 weights by bf16 activations only, not {format} with precision {precision}.", nameof(strategy));
        }
        return IsAvailable(strategy, out string reason) ? strategy : throw new PlatformNotSupportedException(reason);
    }

    private static void Run<TTiles>(ThreadTeam team, float* x, int tokens, PackedMatrix w, float* bias, float* y, int yStride, bool round)
        where TTiles : ITiles
    {
        int remainder = tokens % TTiles.MaxTokens;
        int last = remainder == 0 ? TTiles.MaxTokens : TTiles.Fit(remainder);
        long packedTokens = (long)(tokens - (remainder == 0 ? TTiles.MaxTokens : remainder)) + last;
        MatMulScratch scratch = MatMulScratch.Current;
        byte* packed = scratch.Reserve(packedTokens * w.Steps * (TTiles.Bf16Pairs ? 4 : 8));
        var pack = new ActivationPackJob(x, tokens, w.Columns, TTiles.MaxTokens, last, TTiles.Bf16Pairs, round, packed);
        team.Run(pack.Items, pack);
        var job = new PanelJob<TTiles>(packed, tokens, w, bias, y, yStride, team.Threads);
        team.Run(job.Items, job);
        GC.KeepAlive(scratch);
    }
}
