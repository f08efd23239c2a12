using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Quantization;
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
        .. Records("matmul_bf16_bf16", WeightFormat.BF16, ActivationPrecision.BFloat16,
            (ws, in o) => Run(ws, o, &PanelTiles.AssembledBF16, rounds: true),
            (ws, in o) => Run(ws, o, &PanelTiles.NarrowBF16, rounds: true),
            (ws, in o) => Run(ws, o, &PanelTiles.BF16<Lanes512, Vector512<float>, Vector512<uint>>, rounds: true),
            (ws, in o) => Run(ws, o, &PanelTiles.BF16<Lanes256, Vector256<float>, Vector256<uint>>, rounds: true),
            (ws, in o) => Run(ws, o, &PanelTiles.BF16<Lanes128, Vector128<float>, Vector128<uint>>, rounds: true),
            (ws, in o) => Run(ws, o, &PanelTiles.BF16<Lane, float, uint>, rounds: true)),
        .. Records("matmul_bf16", WeightFormat.BF16, ActivationPrecision.Float32,
            (ws, in o) => Run(ws, o, &PanelTiles.AssembledBF16, rounds: false),
            (ws, in o) => Run(ws, o, &PanelTiles.NarrowBF16, rounds: false),
            (ws, in o) => Run(ws, o, &PanelTiles.BF16<Lanes512, Vector512<float>, Vector512<uint>>, rounds: false),
            (ws, in o) => Run(ws, o, &PanelTiles.BF16<Lanes256, Vector256<float>, Vector256<uint>>, rounds: false),
            (ws, in o) => Run(ws, o, &PanelTiles.BF16<Lanes128, Vector128<float>, Vector128<uint>>, rounds: false),
            (ws, in o) => Run(ws, o, &PanelTiles.BF16<Lane, float, uint>, rounds: false)),
        .. Records("matmul_f32", WeightFormat.F32, ActivationPrecision.Float32,
            (ws, in o) => Run(ws, o, &PanelTiles.AssembledF32, rounds: false),
            (ws, in o) => Run(ws, o, &PanelTiles.NarrowF32, rounds: false),
            (ws, in o) => Run(ws, o, &PanelTiles.F32<Lanes512, Vector512<float>, Vector512<uint>>, rounds: false),
            (ws, in o) => Run(ws, o, &PanelTiles.F32<Lanes256, Vector256<float>, Vector256<uint>>, rounds: false),
            (ws, in o) => Run(ws, o, &PanelTiles.F32<Lanes128, Vector128<float>, Vector128<uint>>, rounds: false),
            (ws, in o) => Run(ws, o, &PanelTiles.F32<Lane, float, uint>, rounds: false)),
    ];

    /// <summary>The records of a format with operands that stay float32 or become bfloat16, best first: one for each way to run.</summary>
    private static CpuProduct[] Records(
        string name, WeightFormat format, ActivationPrecision operands,
        CpuProduct.Launcher assembled, CpuProduct.Launcher narrow, CpuProduct.Launcher vectors512, CpuProduct.Launcher vectors256, CpuProduct.Launcher vectors128, CpuProduct.Launcher scalar)
    {
        return
        [
            Record("avx512", limits => limits.WhyNoAssembly(), "assembled tiles of 12 rows", assembled),
            Record("avx2", limits => limits.WhyNoAssembly256(), "assembled tiles of 6 rows in vectors of 256 bits", narrow),
            Record("v512", limits => limits.WhyNoVectors(512), "vectors of 512 bits, tiles of 4 rows", vectors512),
            Record("v256", limits => limits.WhyNoVectors(256), "vectors of 256 bits, tiles of 4 rows", vectors256),
            Record("v128", limits => limits.WhyNoVectors(128), "vectors of 128 bits, tiles of 4 rows", vectors128),
            Record("scalar", _ => null, "no vectors, on every machine", scalar),
        ];

        CpuProduct Record(string runs, Func<CpuLimits, string?> lack, string reason, CpuProduct.Launcher launch) =>
            new($"{name}_{runs}", CpuLayout.Panels, format, operands, lack, reason, launch);
    }

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
                    new Span<float>(tile, count * PackedMatrix.PanelRows).Clear();
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
