using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// <see cref="MatMul"/> on the host with weights that are numbers. Weight bytes are the packed size once per tile from cache, once
/// from memory. Each output is summed in one accumulator in ascending column order, so that it depends neither on the number of tokens nor on the threads.
/// </summary>
internal static unsafe class MatMulCpu
{
    /// <summary>Bytes of x that a thread keeps in its second-level cache.</summary>
    private const long BlockBytes = 512 << 10;

    /// <summary>The records, best first, behind those of <see cref="MatMulDot"/>. Where weights are bfloat16, rounding x to it comes first, whatever runs the sums.</summary>
    public static readonly CpuProduct[] Products =
    [
        new("matmul_bf16_bf16_avx512", CpuLayout.Panels, WeightFormat.BF16, ActivationPrecision.BFloat16, limits => limits.WhyNoAssembly(),
            "assembled tiles of 12 rows, weights widened", (ws, in o) => Run(ws, o, &PanelTiles.AssembledBF16, rounds: true)),
        new("matmul_bf16_bf16_v512", CpuLayout.Panels, WeightFormat.BF16, ActivationPrecision.BFloat16, limits => limits.WhyNoVectors(512),
            "vectors of 512 bits, a row at a time", (ws, in o) => Run(ws, o, &PanelTiles.Vector512BF16, rounds: true)),
        new("matmul_bf16_bf16_v256", CpuLayout.Panels, WeightFormat.BF16, ActivationPrecision.BFloat16, limits => limits.WhyNoVectors(256),
            "vectors of 256 bits, a row at a time", (ws, in o) => Run(ws, o, &PanelTiles.Vector256BF16, rounds: true)),
        new("matmul_bf16_bf16_scalar", CpuLayout.Panels, WeightFormat.BF16, ActivationPrecision.BFloat16, _ => null,
            "no vectors, on every machine", (ws, in o) => Run(ws, o, &PanelTiles.ScalarBF16, rounds: true)),
        new("matmul_bf16_avx512", CpuLayout.Panels, WeightFormat.BF16, ActivationPrecision.Float32, limits => limits.WhyNoAssembly(),
            "assembled tiles of 12 rows, weights widened", (ws, in o) => Run(ws, o, &PanelTiles.AssembledBF16, rounds: false)),
        new("matmul_bf16_v512", CpuLayout.Panels, WeightFormat.BF16, ActivationPrecision.Float32, limits => limits.WhyNoVectors(512),
            "vectors of 512 bits, a row at a time", (ws, in o) => Run(ws, o, &PanelTiles.Vector512BF16, rounds: false)),
        new("matmul_bf16_v256", CpuLayout.Panels, WeightFormat.BF16, ActivationPrecision.Float32, limits => limits.WhyNoVectors(256),
            "vectors of 256 bits, a row at a time", (ws, in o) => Run(ws, o, &PanelTiles.Vector256BF16, rounds: false)),
        new("matmul_bf16_scalar", CpuLayout.Panels, WeightFormat.BF16, ActivationPrecision.Float32, _ => null,
            "no vectors, on every machine", (ws, in o) => Run(ws, o, &PanelTiles.ScalarBF16, rounds: false)),
        new("matmul_f32_avx512", CpuLayout.Panels, WeightFormat.F32, ActivationPrecision.Float32, limits => limits.WhyNoAssembly(),
            "assembled tiles of 12 rows", (ws, in o) => Run(ws, o, &PanelTiles.AssembledF32, rounds: false)),
        new("matmul_f32_v512", CpuLayout.Panels, WeightFormat.F32, ActivationPrecision.Float32, limits => limits.WhyNoVectors(512),
            "vectors of 512 bits, a row at a time", (ws, in o) => Run(ws, o, &PanelTiles.Vector512F32, rounds: false)),
        new("matmul_f32_v256", CpuLayout.Panels, WeightFormat.F32, ActivationPrecision.Float32, limits => limits.WhyNoVectors(256),
            "vectors of 256 bits, a row at a time", (ws, in o) => Run(ws, o, &PanelTiles.Vector256F32, rounds: false)),
        new("matmul_f32_scalar", CpuLayout.Panels, WeightFormat.F32, ActivationPrecision.Float32, _ => null,
            "no vectors, on every machine", (ws, in o) => Run(ws, o, &PanelTiles.ScalarF32, rounds: false)),
    ];

    private static void Run(CpuWorkspace workspace, in CpuOperands o, delegate*<byte*, byte*, long, int, int, float*, void> tile, bool rounds)
    {
        var w = (PackedMatrix)o.Weights;
        int perStep = w.Format.Bits == 16 ? 2 : 1;
        byte* rows = (byte*)o.X;
        long stride = (long)w.Columns * sizeof(float);
        if (rounds || w.Steps * perStep != w.Columns)
        {
            // An odd last column has a partner of weight zero: its activation must exist and be zero, not whatever follows.
            stride = (long)w.Steps * perStep * sizeof(float);
            rows = workspace.Operand.Require(stride * o.Tokens);
            workspace.Team.Run(o.Tokens, new OperandJobs.PadJob(o.X, w.Columns, w.Steps * perStep, rounds, (float*)rows));
        }
        // Rows of x that stay in the second-level cache while the panels of an item go by, in whole tiles.
        int most = (int)Math.Clamp(BlockBytes / stride / AssembledTile.MaxTokens * AssembledTile.MaxTokens, AssembledTile.MaxTokens, o.Tokens + AssembledTile.MaxTokens);
        int blocks = (o.Tokens + most - 1) / most;
        int block = (o.Tokens + blocks - 1) / blocks;
        int panelsPerItem = CpuLinear.PanelsPerItem(w.PanelBytes, w.Panels, Math.Min(o.Tokens, block), workspace.Team);
        var job = new PanelJob(new PanelView(w), tile, rows, stride, o.Tokens, o.Bias, o.Y, panelsPerItem, block, blocks);
        workspace.Team.Run(checked((w.Panels + panelsPerItem - 1) / panelsPerItem * blocks), job);
        GC.KeepAlive(w);
    }

    /// <summary>What a job needs of a <see cref="PackedMatrix"/>, without the reference.</summary>
    private readonly struct PanelView(PackedMatrix w)
    {
        public readonly byte* Data = w.Panel(0);
        public readonly long PanelBytes = w.PanelBytes;
        public readonly int Panels = w.Panels;
        public readonly int Steps = w.Steps;
        public readonly int Rows = w.Rows;
    }

    /// <summary>
    /// Multiplies a block of tokens with a few panels. Items of the same panels follow each other, so that the panels stay in
    /// the shared cache while the blocks go by.
    /// </summary>
    private readonly struct PanelJob(
        PanelView w, delegate*<byte*, byte*, long, int, int, float*, void> run, byte* x, long stride, int tokens, float* bias, float* y, int panelsPerItem, int block, int blocks) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            float* tile = stackalloc float[AssembledTile.MaxTokens * PackedMatrix.PanelRows];
            int group = item / blocks;
            int from = item % blocks * block;
            int to = Math.Min(tokens, from + block);
            int end = Math.Min(w.Panels, (group + 1) * panelsPerItem);
            // Tiles of equal height: a low one at the end would wait for its weights.
            int tiles = (to - from + AssembledTile.MaxTokens - 1) / AssembledTile.MaxTokens;
            int tileTokens = (to - from + tiles - 1) / tiles;
            for (int panel = group * panelsPerItem; panel < end; panel++)
            {
                int width = Math.Min(PackedMatrix.PanelRows, w.Rows - panel * PackedMatrix.PanelRows);
                for (int first = from; first < to; first += tileTokens)
                {
                    int count = Math.Min(tileTokens, to - first);
                    run(w.Data + panel * w.PanelBytes, x + first * stride, stride, count, w.Steps, tile);
                    Store(tile, first, count, panel * PackedMatrix.PanelRows, width);
                }
            }
        }

        private void Store(float* tile, int first, int count, int column, int width)
        {
            for (int t = 0; t < count; t++)
            {
                float* from = tile + t * PackedMatrix.PanelRows;
                float* to = y + (long)(first + t) * w.Rows + column;
                if (width == PackedMatrix.PanelRows && Vector512.IsHardwareAccelerated)
                {
                    Vector512<float> low = Vector512.Load(from), high = Vector512.Load(from + 16);
                    if (bias != null)
                    {
                        low += Vector512.Load(bias + column);
                        high += Vector512.Load(bias + column + 16);
                    }
                    low.Store(to);
                    high.Store(to + 16);
                    continue;
                }
                for (int i = 0; i < width; i++)
                {
                    to[i] = bias == null ? from[i] : from[i] + bias[column + i];
                }
            }
        }
    }
}
