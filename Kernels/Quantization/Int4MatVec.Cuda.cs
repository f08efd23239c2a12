using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// y [T, out] = x [T, in] · Wᵀ for int4 weights in <see cref="Int4Tiles"/> on a device's tensor cores. x is rounded to bfloat16, sums
/// are float32. Weights are read once for up to 16 rows; more rows, if it is forced, are slices of 16.
/// </summary>
internal static class Int4MatVecCuda
{
    /// <summary>The records, those for few rows first; the last takes any number, in slices, and is best for one of them.</summary>
    internal static readonly CudaProduct[] Products = [.. Int4MatVecPtx.RowCounts.Select(Dense), .. Int4MatVecPtx.RowCounts.Select(Grouped)];

    private static CudaProduct Dense(int atOnce)
    {
        string kernel = Int4MatVecPtx.Name(atOnce, experts: false);
        CudaProduct.ExtentsOf extents = (rows, outputs, _, _) => (new(Int4Tiles.Units(outputs), (rows + atOnce - 1) / atOnce), new(Int4MatVecPtx.Threads));
        return Record(kernel, atOnce, isGrouped: false, extents, (CudaQueue queue, CudaScratch scratch, in ProductOperands o) =>
        {
            // Before the rounding: what the number takes to come must not stand between grids that overlap.
            DeviceView rows = o.Counts!.Of(o.X.Rows), rounded = Int4OperandCuda.Of(queue, scratch, o);
            CudaProduct.Run(queue.Call(kernel).View(o.Weights).View(o.Scales).View(rounded).View(o.Bias).View(o.Y).View(rows).Value(o.Y.Columns).Value(o.X.Columns), extents, o);
        });
    }

    private static CudaProduct Grouped(int atOnce)
    {
        string kernel = Int4MatVecPtx.Name(atOnce, experts: true);
        CudaProduct.ExtentsOf extents = (rows, outputs, _, _) => (new(Int4Tiles.Units(outputs), rows), new(Int4MatVecPtx.Threads));
        return Record(kernel, atOnce, isGrouped: true, extents, (CudaQueue queue, CudaScratch scratch, in ProductOperands o) =>
        {
            DeviceView rounded = Int4OperandCuda.Of(queue, scratch, o);
            CudaProduct.Run(queue.Call(kernel).View(o.Weights).View(o.Scales).View(rounded).View(o.RowExperts).View(o.Starts).View(o.Y).Value(o.Y.Columns).Value(o.X.Columns), extents, o);
        });
    }

    private static CudaProduct Record(string kernel, int atOnce, bool isGrouped, CudaProduct.ExtentsOf extents, CudaProduct.Launcher launch) =>
        new(kernel, CudaLayout.Tiles, WeightFormat.Int4, Int4MatVecPtx.SharedBytes(atOnce), ActivationPrecision.BFloat16, Int4MatVecPtx.FirstSm,
            $"int4 weights in tiles, {When(atOnce)}{(isGrouped ? ", grouped by expert" : "")}", extents, launch)
        {
            IsGrouped = isGrouped,
            Rounds = true,
            // Few slots are as many experts; of many, those of an expert count.
            CountsRowsOfExpert = isGrouped && atOnce == Int4MatVecPtx.RowCounts[^1],
            MostRows = atOnce,
        };

    private static string When(int rows) => rows switch
    {
        1 => "one row: bound by memory, 80 KB under way a multiprocessor",
        8 => "up to 8 rows: weights are read once for all",
        _ => "up to 16 rows: likewise",
    };
}
