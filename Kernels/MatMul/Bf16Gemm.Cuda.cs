using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// y [T, out] = x [T, in] · Wᵀ for bfloat16 weights in rows and more rows of x than <see cref="Bf16MatVecCuda"/> reads weights once for, on a device's tensor
/// cores. x is rounded to bfloat16, sums are float32.
/// </summary>
internal static class Bf16GemmCuda
{
    /// <summary>Rows, of an expert in the mean, up to which blocks have fewer of them: they wait for memory, of which several blocks ask at once.</summary>
    private const int MostRowsOfSmallTiles = 64;

    /// <summary>The records, those for fewer rows first; the last takes any number.</summary>
    internal static readonly CudaProduct[] Products = [.. Bf16GemmPtx.Tiles.Select(Dense), .. Bf16GemmPtx.Tiles.Select(Grouped)];

    private static CudaProduct Dense(TensorTile tile)
    {
        CudaProduct.ExtentsOf extents = Extents(tile);
        return Record(tile, isGrouped: false, extents, (CudaQueue queue, CudaScratch scratch, in ProductOperands o) =>
        {
            // Before the rounding: what the number takes to come must not stand between grids that overlap.
            DeviceView rows = o.Counts!.Of(o.X.Rows), rounded = Int4OperandCuda.Of(queue, scratch, o);
            CudaProduct.Run(queue.Call(Bf16GemmPtx.Name(tile, experts: false)).View(o.Weights).View(rounded).View(o.Bias).View(o.Y).View(rows).Value(o.Y.Columns).Value(o.X.Columns), extents, o);
        });
    }

    private static CudaProduct Grouped(TensorTile tile)
    {
        CudaProduct.ExtentsOf extents = Extents(tile);
        return Record(tile, isGrouped: true, extents, (CudaQueue queue, CudaScratch scratch, in ProductOperands o) =>
        {
            DeviceView rounded = Int4OperandCuda.Of(queue, scratch, o);
            CudaProduct.Run(queue.Call(Bf16GemmPtx.Name(tile, experts: true)).View(o.Weights).View(rounded).View(o.Starts).View(o.Y).Value(o.Y.Columns).Value(o.X.Columns), extents, o);
        });
    }

    private static CudaProduct.ExtentsOf Extents(TensorTile tile) => (rows, outputs, _, experts) => tile.Extents(rows, outputs, experts);

    private static CudaProduct Record(TensorTile tile, bool isGrouped, CudaProduct.ExtentsOf extents, CudaProduct.Launcher launch)
    {
        bool isLast = tile == Bf16GemmPtx.Tiles[^1];
        return new(Bf16GemmPtx.Name(tile, isGrouped), CudaLayout.Rows, WeightFormat.BF16, Bf16GemmPtx.SharedBytes(tile), ActivationPrecision.BFloat16, TensorTile.FirstSm,
            $"bf16 weights in rows, {(isLast ? "more rows" : $"up to {MostRowsOfSmallTiles} rows{(isGrouped ? " an expert" : "")}")}: a ring of steps in shared memory, {tile.Outputs} outputs and {tile.Tokens} rows a block{(isGrouped ? ", grouped by expert" : "")}",
            extents, launch)
        {
            IsGrouped = isGrouped,
            CountsRowsOfExpert = isGrouped,
            MostRows = isLast ? int.MaxValue : MostRowsOfSmallTiles,
            InnerMultiple = Int4Tiles.GroupColumns,
            Rounds = true,
        };
    }
}
