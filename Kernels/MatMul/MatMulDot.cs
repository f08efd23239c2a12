using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// <see cref="MatMul"/> with the BF16 dot product: rows of x are rounded once (<see cref="DotOperand"/>), then each panel of weights
/// meets all tiles. A single tile streams the panel; several take a block of its columns at a time, which stays in the
/// second-level cache while they go by, and the first of them prefetch the next block. Codes become bfloat16 in registers
/// (<see cref="DotCodes"/>); what rows of weights, and of x where they are codes, are scaled by multiplies the finished sums. Weight bytes once from memory, whatever the
/// number of rows up to <see cref="MostRows"/>.
/// </summary>
internal static unsafe class MatMulDot
{
    /// <summary>Rows of x that an item takes: their outputs of a panel stay in the second-level cache.</summary>
    private const int MostRows = 512;

    /// <summary>Pairs of columns that all tiles take before the next ones: 64 KiB of bfloat16.</summary>
    private const int BlockPairs = 512;

    /// <summary>Bytes between what is read and what is prefetched where a single tile streams a panel: two pages.</summary>
    private const int FarBytes = 8192;

    /// <summary>
    /// Panels of fewer bytes are not asked for ahead, at memory's pace: a model of such panels lies in the caches, and much of what was
    /// asked for would be another thread's.
    /// </summary>
    private const int StreamBytes = 4 * FarBytes;

    private const int PanelRows = PackedMatrix.PanelRows;

    /// <summary>The records.</summary>
    public static readonly CpuProduct[] Products =
    [
        new("matmul_bf16_bf16_avx512bf16", CpuLayout.Panels, WeightFormat.BF16, ActivationPrecision.BFloat16, limits => limits.WhyNoDot(),
            "assembled tiles of 8 rows with the BF16 dot product", (ws, in o) => Run(ws, o, DotCodes.BF16, &DotTiles.BF16)),
        new("matmul_fp8_bf16_avx512bf16", CpuLayout.Panels, WeightFormat.Fp8, ActivationPrecision.BFloat16, limits => limits.WhyNoDot() ?? limits.WhyNoBytePermutations(),
            "the same, codes looked up as bfloat16", (ws, in o) => Run(ws, o, DotCodes.Fp8, &DotTiles.Fp8)),
        new("matmul_fp8a_bf16_avx512bf16", CpuLayout.Panels, WeightFormat.Fp8Activations, ActivationPrecision.BFloat16, limits => limits.WhyNoDot() ?? limits.WhyNoBytePermutations(),
            "the same, rows of x as codes too, which bfloat16 holds exactly", (ws, in o) => Run(ws, o, DotCodes.Fp8, &DotTiles.Fp8)),
    ];

    private static void Run(CpuWorkspace workspace, in CpuOperands o, DotCodes codes, delegate*<byte*, byte*, int, int, float*, float*, Lookahead, void> tile)
    {
        var w = (PackedMatrix)o.Weights;
        int tiles = DotOperand.Tiles(o.Tokens), shares = (o.Tokens + MostRows - 1) / MostRows;
        int mostRows = (tiles + shares - 1) / shares * DotOperand.TileRows;
        long operandBytes = (DotOperand.Bytes(o.Tokens, w.Columns) + 63) & ~63L;
        long sumBytes = (long)workspace.Team.Threads * mostRows * PanelRows * sizeof(float), values = w.Format.QuantisesActivations ? (long)o.Tokens * w.Columns : 0;
        byte* memory = workspace.Operand.Require(operandBytes + sumBytes + (values + o.Tokens) * sizeof(float));
        float* x = o.X, scales = null;
        if (w.Format.QuantisesActivations)
        {
            x = (float*)(memory + operandBytes + sumBytes);
            scales = x + values;
            workspace.Team.Run(o.Tokens, new QuantisedProduct.RoundJob(o.X, w.Columns, x, scales));
        }
        DotOperand.Round(workspace.Team, x, o.Tokens, w.Columns, memory);
        int perItem = CpuLinear.PanelsPerItem(w.PanelBytes, w.Panels, Math.Min(o.Tokens, mostRows), workspace.Team);
        var job = new PanelJob(
            w.Panel(0), w.PanelBytes, w.Panels, w.HeaderBytes, codes.PairBytes, codes.PrefetchingRows, tile, DotOperand.Pairs(w.Columns), w.Rows, memory, scales, o.Tokens, (float*)(memory + operandBytes), mostRows, shares, perItem, o.Bias, o.Y);
        workspace.Team.Run(checked((w.Panels + perItem - 1) / perItem * shares), job);
        GC.KeepAlive(w);
    }

    /// <summary>Multiplies a share of the tiles of x with a few panels. Items of the same panels follow each other.</summary>
    private readonly struct PanelJob(
        byte* data, long panelBytes, int panels, int header, int pairBytes, int prefetchingRows, delegate*<byte*, byte*, int, int, float*, float*, Lookahead, void> run, int pairs, int outputs, byte* x, float* scales, int tokens, float* sums, int mostRows, int shares, int panelsPerItem, float* bias, float* y) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            float* zeros = stackalloc float[DotOperand.TileRows * PanelRows];
            float* sum = sums + (long)worker * mostRows * PanelRows;
            int tiles = DotOperand.Tiles(tokens), share = item % shares;
            int first = (int)((long)tiles * share / shares), end = (int)((long)tiles * (share + 1) / shares);
            int row = DotOperand.FirstRow(first, tokens), rows = DotOperand.FirstRow(end, tokens) - row;
            int from = item / shares * panelsPerItem, to = Math.Min(panels, from + panelsPerItem);
            for (int panel = from; panel < to; panel++)
            {
                byte* at = data + panel * panelBytes;
                Multiply(at + header, first, end, zeros, sum);
                if (header > 0)
                {
                    Scale(sum, rows, (float*)at, scales == null ? null : scales + row);
                }
                PanelOutputs.Store(sum, PanelRows, rows, bias, y + (long)row * outputs, outputs, panel * PanelRows);
            }
        }

        /// <summary>Sums times the scales of their outputs, and then of their rows of x where those have any.</summary>
        private static void Scale(float* sum, int rows, float* scales, float* ofRows)
        {
            Vector512<float> low = Vector512.Load(scales), high = Vector512.Load(scales + Vector512<float>.Count);
            for (int r = 0; r < rows; r++, sum += PanelRows)
            {
                Vector512<float> own = Vector512.Create(ofRows == null ? 1 : ofRows[r]);
                (Vector512.Load(sum) * low * own).Store(sum);
                (Vector512.Load(sum + Vector512<float>.Count) * high * own).Store(sum + Vector512<float>.Count);
            }
        }

        private void Multiply(byte* panel, int first, int end, float* zeros, float* sum)
        {
            int tiles = end - first, row0 = DotOperand.FirstRow(first, tokens);
            int blocks = tiles == 1 ? 1 : (pairs + BlockPairs - 1) / BlockPairs;
            // The tiles that bring the next block nearer, and their lines of each four.
            int helpers = tiles >= 4 ? 4 : 2;
            for (int block = 0; block < blocks; block++)
            {
                int pair = (int)((long)pairs * block / blocks), count = (int)((long)pairs * (block + 1) / blocks) - pair;
                byte* weights = panel + (long)pair * pairBytes, next = weights + (long)count * pairBytes;
                for (int tile = first; tile < end; tile++)
                {
                    int row = DotOperand.FirstRow(tile, tokens), height = DotOperand.FirstRow(tile + 1, tokens) - row, helper = tile - first;
                    Lookahead ahead = tiles == 1
                        ? height < prefetchingRows || panelBytes < StreamBytes ? default : new Lookahead((nint)weights + FarBytes, 4, true)
                        : helper < helpers ? new Lookahead((nint)next + helper * ((nint)count * pairBytes / helpers), 4 / helpers, false) : default;
                    byte* values = x + ((long)row * pairs + (long)pair * height) * sizeof(uint);
                    float* y = sum + (row - row0) * PanelRows;
                    run(weights, values, height, count, block == 0 ? zeros : y, y, ahead);
                }
            }
        }
    }
}
