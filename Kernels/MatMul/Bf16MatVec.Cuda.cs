using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// y [T, out] = x [T, in] · Wᵀ for bfloat16 weights in rows, few rows of x, on a device's tensor cores. x is rounded to bfloat16, sums are float32.
/// Weights are read once for up to 16 rows; more, if it is forced, are slices of 16.
/// </summary>
internal static class Bf16MatVecCuda
{
    /// <summary>The records, those for few rows first; the last takes any number, in slices.</summary>
    internal static readonly CudaProduct[] Products = [.. Bf16MatVecPtx.Tiles.Select(Dense), .. Bf16MatVecPtx.Tiles.Select(Grouped)];

    private static CudaProduct Dense(VectorTile tile)
    {
        string kernel = Bf16MatVecPtx.Name(tile, experts: false);
        CudaProduct.ExtentsOf extents = (rows, outputs, _, _) => tile.Extents(rows, outputs, experts: false);
        return Record(tile, kernel, isGrouped: false, extents, (CudaQueue queue, CudaScratch scratch, in ProductOperands o) =>
        {
            // Before the rounding: what the number takes to come must not stand between grids that overlap.
            DeviceView rows = o.Counts!.Of(o.X.Rows), rounded = Int4OperandCuda.Of(queue, scratch, o);
            CudaProduct.Run(queue.Call(kernel).View(o.Weights).View(rounded).View(o.Bias).View(o.Y).View(rows).Value(o.Y.Columns).Value(o.X.Columns), extents, o);
        });
    }

    private static CudaProduct Grouped(VectorTile tile)
    {
        string kernel = Bf16MatVecPtx.Name(tile, experts: true);
        CudaProduct.ExtentsOf extents = (rows, outputs, _, _) => tile.Extents(rows, outputs, experts: true);
        return Record(tile, kernel, isGrouped: true, extents, (CudaQueue queue, CudaScratch scratch, in ProductOperands o) =>
        {
            DeviceView rounded = Int4OperandCuda.Of(queue, scratch, o);
            CudaProduct.Run(queue.Call(kernel).View(o.Weights).View(rounded).View(o.RowExperts).View(o.Starts).View(o.Y).Value(o.Y.Columns).Value(o.X.Columns), extents, o);
        });
    }

    private static CudaProduct Record(VectorTile tile, string kernel, bool isGrouped, CudaProduct.ExtentsOf extents, CudaProduct.Launcher launch) =>
        new(kernel, CudaLayout.Rows, WeightFormat.BF16, tile.SharedBytes, ActivationPrecision.BFloat16, TensorTile.FirstSm,
            $"bf16 weights in rows, {tile.When}{(isGrouped ? ", grouped by expert" : "")}", extents, launch)
        {
            IsGrouped = isGrouped,
            Rounds = true,
            // Few slots are as many experts; of many, those of an expert count.
            CountsRowsOfExpert = isGrouped && tile == Bf16MatVecPtx.Tiles[^1],
            MostRows = tile.Rows,
            InnerMultiple = Int4Tiles.GroupColumns,
            // A router's are too few blocks, and its logits are not to be of rounded activations.
            MoreThanOutputs = isGrouped ? 0 : MatMulCuda.FewOutputs,
        };
}
