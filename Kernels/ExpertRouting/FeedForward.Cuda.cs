using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.ExpertRouting;

/// <summary>
/// A row's whole feed-forward block in three launches on a device's tensor cores: the norm with the router, gate and up of the shared and the chosen expert
/// with the activation, and down of both with the residual. Activations are rounded to bfloat16 where they are multiplied by int4 weights.
/// </summary>
internal static class FeedForwardCuda
{
    internal static readonly KernelOption[] Kernels =
    [
        new("TryFeedForward", NormRouterPtx.Name, "one row, int4 weights in tiles: the norm, the operand of what follows and the router's logits"),
        new("TryFeedForward", ExpertGateUpPtx.Name, "behind it: its blocks find the chosen expert; gate, up and the activation of both experts"),
        new("TryFeedForward", ExpertDownPtx.Name, "behind it: both experts and the residual in one sum"),
    ];

    /// <summary>What the norm's kernel reads of a router.</summary>
    private static readonly WeightFormat s_routerFormat = WeightFormat.BF16;

    /// <summary>Launches the block if it can be done so.</summary>
    /// <param name="queue">Takes the launches.</param>
    /// <param name="activations">What may be made of activations.</param>
    /// <param name="scratch">Memory for what lies between; the next block overwrites it.</param>
    /// <param name="block">The block.</param>
    /// <exception cref="ArgumentException">Shapes differ, or the experts are no stack.</exception>
    public static bool TryRun(CudaQueue queue, ActivationPrecision activations, CudaScratch scratch, in FeedForwardBlock block)
    {
        if (WhyNot(block, activations, queue.Kernels.Limits) is not null)
        {
            return false;
        }
        Check(block);
        int hidden = block.Hidden.Columns, width = block.Down.Columns, experts = block.Experts.Length, parts = experts > 0 ? 2 : 1;
        CudaMatrix gateUp = CudaMatrix.Require(block.GateUp), down = CudaMatrix.Require(block.Down);
        long operandBytes = Aligned(Int4Operand.RowBytes(hidden)), logitBytes = Aligned(experts * sizeof(float)), hBytes = parts * Int4Operand.RowBytes(width);
        nint memory = scratch.Require(operandBytes + logitBytes + DeviceArena.Alignment + hBytes);
        DeviceView operand = new(memory, Int4Operand.RowBytes(hidden)), logits = new(memory + (nint)operandBytes, experts);
        DeviceView choice = new(memory + (nint)(operandBytes + logitBytes), 1), h = new(choice.Address + DeviceArena.Alignment, hBytes);
        DeviceView router = block.Router is IMatrix given ? CudaMatrix.Require(given).Codes : default;
        CudaMatrixStack? gates = experts > 0 ? CudaMatrix.Require(block.Experts.Span[0].GateUp).Stack : null, downs = experts > 0 ? CudaMatrix.Require(block.Experts.Span[0].Down).Stack : null;

        queue.Call(NormRouterPtx.Name).View(block.Hidden).View(block.Norm).View(router).View(operand).View(logits).Value(hidden).Value(experts).Value(block.Eps)
            .Run(new(NormRouterPtx.Blocks(experts), 1));
        queue.Call(ExpertGateUpPtx.Name).View(gateUp.Codes).View(gateUp.ScaleView).View(gates?.Codes ?? default).View(gates?.ScaleView ?? default)
            .View(operand).View(logits).View(choice).View(h).Value(width).Value(hidden).Value(experts).Run(new(width / Int4Tiles.TileRows, parts));
        queue.Call(ExpertDownPtx.Name).View(down.Codes).View(down.ScaleView).View(downs?.Codes ?? default).View(downs?.ScaleView ?? default)
            .View(choice).View(h).View(block.Hidden).Value(hidden).Value(width).Value(parts).Run(new(Int4Tiles.Units(hidden)));
        return true;
    }

    /// <summary>Why a block is not done so; null if it is.</summary>
    internal static string? WhyNot(in FeedForwardBlock block, ActivationPrecision activations, DeviceLimits device) =>
        block.Hidden.Rows != 1 ? "is for one row"
        : activations == ActivationPrecision.Float32 ? "is for activations that may be rounded"
        : device.Sm < FeedForwardPtx.FirstSm ? "is for sm_80 and later"
        : device.SharedBytes < Math.Max(ExpertGateUpPtx.SharedBytes, ExpertDownPtx.SharedBytes) ? "is for devices with more shared memory a block"
        : !IsInTiles(block.GateUp) || !IsInTiles(block.Down) ? "is for int4 weights in tiles"
        : block.Hidden.Columns % Int4Tiles.GroupColumns != 0 || block.Hidden.Columns > NormedRowPtx.MostColumns ? $"is for up to {NormedRowPtx.MostColumns} columns, a multiple of {Int4Tiles.GroupColumns}"
        : block.Experts.IsEmpty ? null
        : block.TopK != 1 ? "is for one expert a row"
        : block.Router is not CudaMatrix router || router.Format != s_routerFormat || router.Stack.Layout != CudaLayout.Rows ? "is for routers in bf16"
        : !IsInTiles(block.Experts.Span[0].GateUp) || !IsInTiles(block.Experts.Span[0].Down) ? "is for experts of int4 weights in tiles"
        : block.Experts.Span[0].Down.Columns != block.Down.Columns ? "is for experts as wide as the shared one"
        : null;

    private static bool IsInTiles(IMatrix matrix) => matrix is CudaMatrix own && own.Stack.Layout == CudaLayout.Tiles;

    private static void Check(in FeedForwardBlock block)
    {
        ShapeCheck.Require(block.Hidden, MemoryPlace.Device, 1, block.Hidden.Columns, nameof(block.Hidden));
        ShapeCheck.Require(block.Norm, MemoryPlace.Device, 1, block.Hidden.Columns, nameof(block.Norm));
        Require(block.GateUp, 2 * block.Down.Columns, block.Hidden.Columns, nameof(block.GateUp));
        Require(block.Down, block.Hidden.Columns, block.Down.Columns, nameof(block.Down));
        if (block.Experts.IsEmpty != block.Router is null)
        {
            throw new ArgumentException($"A block with {block.Experts.Length} experts has {(block.Router is null ? "no" : "a")} router.", nameof(block));
        }
        if (block.Router is IMatrix router)
        {
            Require(router, block.Experts.Length, block.Hidden.Columns, nameof(block.Router));
            ReadOnlySpan<ExpertWeights> experts = block.Experts.Span;
            Require(experts[0].GateUp, 2 * block.Down.Columns, block.Hidden.Columns, nameof(block.Experts));
            Require(experts[0].Down, block.Hidden.Columns, block.Down.Columns, nameof(block.Experts));
            ExpertFeedForwardCuda.CheckStacks(experts);
        }
    }

    private static void Require(IMatrix matrix, int rows, int columns, string name)
    {
        if (matrix.Rows != rows || matrix.Columns != columns)
        {
            throw new ArgumentException($"{name} is [{matrix.Rows}, {matrix.Columns}], not [{rows}, {columns}].", name);
        }
    }

    private static long Aligned(long bytes) => (bytes + DeviceArena.Alignment - 1) & -DeviceArena.Alignment;
}
