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
    internal static readonly CudaProduct[] Products = [.. Int4GemmPtx.Sizes.Select(Dense), .. Int4GemmPtx.Sizes.Select(Grouped)];

    private static CudaProduct Dense(Int4GemmSize size)
    {
        CudaProduct.ExtentsOf extents = Extents(size);
        return Record(size, isGrouped: false, extents, (CudaQueue queue, CudaScratch scratch, in ProductOperands o) =>
        {
            // Before the rounding: what the number takes to come must not stand between grids that overlap.
            DeviceView rows = o.Counts!.Of(o.X.Rows), rounded = Int4OperandCuda.Round(queue, scratch, o.X);
            CudaProduct.Run(queue.Call(size.Name(experts: false)).View(o.Weights).View(o.Scales).View(rounded).View(o.Bias).View(o.Y).View(rows).Value(o.Y.Columns).Value(o.X.Columns), extents, o);
        });
    }

    private static CudaProduct Grouped(Int4GemmSize size)
    {
        CudaProduct.ExtentsOf extents = Extents(size);
        return Record(size, isGrouped: true, extents, (CudaQueue queue, CudaScratch scratch, in ProductOperands o) =>
        {
            DeviceView rounded = Int4OperandCuda.Round(queue, scratch, o.X);
            CudaProduct.Run(queue.Call(size.Name(experts: true)).View(o.Weights).View(o.Scales).View(rounded).View(o.Starts).View(o.Y).Value(o.Y.Columns).Value(o.X.Columns), extents, o);
        });
    }

    private static CudaProduct.ExtentsOf Extents(Int4GemmSize size) =>
        (rows, outputs, _, experts) => (new((outputs + size.Outputs - 1) / size.Outputs, size.TokenTiles(rows, experts)), new(size.Threads));

    private static CudaProduct Record(Int4GemmSize size, bool isGrouped, CudaProduct.ExtentsOf extents, CudaProduct.Launcher launch)
    {
        bool isLast = size == Int4GemmPtx.Sizes[^1];
        return new(size.Name(isGrouped), CudaLayout.Tiles, WeightFormat.Int4, size.SharedBytes, ActivationPrecision.BFloat16, Int4GemmPtx.FirstSm,
            $"int4 weights in tiles, {(isLast ? "more rows" : $"up to {MostRowsOfSmallTiles} rows{(isGrouped ? " an expert" : "")}")}: a ring of steps in shared memory, {size.Outputs} outputs and {size.Tokens} rows a block{(isGrouped ? ", grouped by expert" : "")}",
            extents, launch)
        {
            IsGrouped = isGrouped,
            CountsRowsOfExpert = isGrouped,
            MostRows = isLast ? int.MaxValue : MostRowsOfSmallTiles,
        };
    }
}
