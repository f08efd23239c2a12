using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// y [T, out] = x [T, in] · Wᵀ for int4 weights in <see cref="Int4Tiles"/> and more rows than <see cref="Int4MatVecCuda"/> reads weights once for.
/// x is rounded to bfloat16, sums are float32.
/// </summary>
internal static class Int4GemmCuda
{
    /// <summary>Rows, of an expert in the mean, up to which the smaller tiles are taken: they fill more multiprocessors.</summary>
    private const int MostRowsOfSmallTiles = 128;

    /// <summary>The records, those for fewer rows first; the last takes any number.</summary>
    internal static readonly CudaProduct[] Products = [.. Int4GemmPtx.Tiles.Select(Dense), .. Int4GemmPtx.Tiles.Select(Grouped)];

    private static CudaProduct Dense(TensorTile tile)
    {
        CudaProduct.ExtentsOf extents = Extents(tile);
        return Record(tile, isGrouped: false, extents, (CudaQueue queue, CudaScratch scratch, in ProductOperands o) =>
        {
            // Before the rounding: what the number takes to come must not stand between grids that overlap.
            DeviceView rows = o.Counts!.Of(o.X.Rows), rounded = Int4OperandCuda.Of(queue, scratch, o);
            CudaProduct.Run(queue.Call(Int4GemmPtx.Name(tile, experts: false)).View(o.Weights).View(o.Scales).View(rounded).View(o.Bias).View(o.Y).View(rows).Value(o.Y.Columns).Value(o.X.Columns), extents, o);
        });
    }

    private static CudaProduct Grouped(TensorTile tile)
    {
        CudaProduct.ExtentsOf extents = Extents(tile);
        return Record(tile, isGrouped: true, extents, (CudaQueue queue, CudaScratch scratch, in ProductOperands o) =>
        {
            DeviceView rounded = Int4OperandCuda.Of(queue, scratch, o);
            CudaProduct.Run(queue.Call(Int4GemmPtx.Name(tile, experts: true)).View(o.Weights).View(o.Scales).View(rounded).View(o.Starts).View(o.Y).Value(o.Y.Columns).Value(o.X.Columns), extents, o);
        });
    }

    private static CudaProduct.ExtentsOf Extents(TensorTile tile) => (rows, outputs, _, experts) => tile.Extents(rows, outputs, experts);

    private static CudaProduct Record(TensorTile tile, bool isGrouped, CudaProduct.ExtentsOf extents, CudaProduct.Launcher launch)
    {
        bool isLast = tile == Int4GemmPtx.Tiles[^1];
        return new(Int4GemmPtx.Name(tile, isGrouped), CudaLayout.Tiles, WeightFormat.Int4, Int4GemmPtx.SharedBytes(tile), ActivationPrecision.BFloat16, TensorTile.FirstSm,
            $"int4 weights in tiles, {(isLast ? "more rows" : $"up to {MostRowsOfSmallTiles} rows{(isGrouped ? " an expert" : "")}")}: a ring of steps in shared memory, {tile.Outputs} outputs and {tile.Tokens} rows a block{(isGrouped ? ", grouped by expert" : "")}",
            extents, launch)
        {
            IsGrouped = isGrouped,
            Rounds = true,
            CountsRowsOfExpert = isGrouped,
            MostRows = isLast ? int.MaxValue : MostRowsOfSmallTiles,
        };
    }
}
