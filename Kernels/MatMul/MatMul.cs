using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Assembly;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// y [T, out] = x [T, in] · Wᵀ (+ bias [out]), float32 sums. FLOPs 2·T·in·out; bytes of weights read: the packed size once
/// per twelve tokens from cache, once from memory. Each output is summed in one accumulator in ascending column order (per
/// column pair for the BF16 dot product), so that it depends neither on the number of tokens nor on the threads.
/// NaN and infinities propagate as in the plain sum.
/// </summary>
public sealed unsafe partial class MatMul : IDisposable
{
    /// <summary>Weight bytes times tokens that make an item worth handing out.</summary>
    private const long ItemBytes = 128 << 10;

    /// <summary>Bytes of x that a thread keeps in its second-level cache.</summary>
    private const long BlockBytes = 512 << 10;

    private readonly ThreadTeam _team;
    private byte* _scratch;
    private long _scratchBytes;

    /// <summary>A product on a team of threads; used by one thread at a time, because it owns scratch memory.</summary>
    /// <param name="team">Shares the panels out.</param>
    /// <param name="strategy">Forces an implementation; null takes the best that this machine has.</param>
    /// <exception cref="PlatformNotSupportedException">This machine cannot run the forced strategy.</exception>
    public MatMul(ThreadTeam team, MatMulStrategy? strategy = null)
    {
        _team = team;
        Strategy = strategy ?? Strategies().First(s => s.Reason is null).Strategy;
        if (Strategies().First(s => s.Strategy == Strategy).Reason is string reason)
        {
            throw new PlatformNotSupportedException($"Matrix product strategy {Strategy} is not available: {reason}");
        }
    }

    /// <summary>Frees the scratch of an instance that was not disposed.</summary>
    ~MatMul() => NativeMemory.AlignedFree(_scratch);

    /// <summary>The implementation in use.</summary>
    public MatMulStrategy Strategy { get; }

    /// <summary>The implementations, best first, with the reason why this machine cannot run one, or null.</summary>
    public static IReadOnlyList<(MatMulStrategy Strategy, string? Reason)> Strategies() =>
    [
        (MatMulStrategy.Assembled, !CpuFeatures.Avx512 ? "the processor has no AVX-512" : AssembledTiles.Fault),
        (MatMulStrategy.Vector512, System.Runtime.Intrinsics.Vector512.IsHardwareAccelerated ? null : "no 512-bit vectors"),
        (MatMulStrategy.Vector256, System.Runtime.Intrinsics.Vector256.IsHardwareAccelerated ? null : "no 256-bit vectors"),
        (MatMulStrategy.Scalar, null),
    ];

    /// <summary>Runs the product.</summary>
    /// <param name="x">[tokens, in], contiguous</param>
    /// <param name="tokens">T, may be 0.</param>
    /// <param name="w">[out, in]</param>
    /// <param name="bias">[out] or null</param>
    /// <param name="y">[tokens, out], contiguous; must not overlap x.</param>
    /// <param name="precision">Rounding of x.</param>
    public void Run(float* x, int tokens, PackedMatrix w, float* bias, float* y, ActivationPrecision precision)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        if (tokens == 0)
        {
            return;
        }
        bool round = precision == ActivationPrecision.BFloat16 && w.Format == WeightFormat.BF16;
        bool dot = round && Strategy == MatMulStrategy.Assembled && CpuFeatures.Avx512Bf16;
        byte* rows = (byte*)x;
        long stride = (long)w.Columns * sizeof(float);
        if (dot)
        {
            stride = (long)w.Steps * sizeof(uint);
            rows = Scratch(stride * tokens);
            _team.Run(tokens, new RoundJob(x, w.Columns, w.Steps, (ushort*)rows));
        }
        else if (round || (w.Format == WeightFormat.BF16 && (w.Columns & 1) != 0))
        {
            // An odd last column has a partner of weight zero: its activation must exist and be zero, not whatever follows.
            stride = (long)w.Steps * 2 * sizeof(float);
            rows = Scratch(stride * tokens);
            _team.Run(tokens, new PadJob(x, w.Columns, w.Steps * 2, round, (float*)rows));
        }
        // Rows of x that stay in the second-level cache while the panels of an item go by, in whole tiles.
        int most = (int)Math.Clamp(BlockBytes / stride / AssembledTile.MaxTokens * AssembledTile.MaxTokens, AssembledTile.MaxTokens, tokens + AssembledTile.MaxTokens);
        int blocks = (tokens + most - 1) / most;
        int block = (tokens + blocks - 1) / blocks;
        // Neighbouring panels are one stream, and small ones are not worth handing out alone; but every thread wants several items.
        long worthwhile = Math.Max(ItemBytes / Math.Max(1, w.PanelBytes * Math.Min(tokens, block)), w.Panels / (16 * _team.Threads));
        int panelsPerItem = (int)Math.Clamp(worthwhile, 1, 8);
        var job = new PanelJob(new PanelView(w), Strategy, dot, rows, stride, tokens, bias, y, panelsPerItem, block, blocks);
        _team.Run(checked((w.Panels + panelsPerItem - 1) / panelsPerItem * blocks), job);
        GC.KeepAlive(w);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        NativeMemory.AlignedFree(_scratch);
        _scratch = null;
        _scratchBytes = 0;
        GC.SuppressFinalize(this);
    }

    private byte* Scratch(long bytes)
    {
        if (bytes > _scratchBytes)
        {
            NativeMemory.AlignedFree(_scratch);
            _scratch = (byte*)NativeMemory.AlignedAlloc((nuint)bytes, 64);
            _scratchBytes = bytes;
        }
        return _scratch;
    }
}
