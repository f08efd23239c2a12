using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// y [T, out] = x [T, in] · Wᵀ for int4 weights in <see cref="Int4Tiles"/> on a device's tensor cores. x is rounded to bfloat16, sums
/// are float32. Weights are read once for up to 16 rows; more rows are slices of 16.
/// </summary>
internal static class Int4MatVecCuda
{
    internal static readonly KernelOption[] Kernels =
        [new("Linear", Int4OperandPtx.Name, "before products with int4 weights in tiles: rounds x to bfloat16 in the order of fragments")];

    /// <summary>The records, those for few rows first; the last takes any number, in slices.</summary>
    internal static readonly CudaProduct[] Products = [.. Int4MatVecPtx.RowCounts.Select(Dense), .. Int4MatVecPtx.RowCounts.Select(Grouped)];

    private static CudaProduct Dense(int atOnce)
    {
        string kernel = Int4MatVecPtx.Name(atOnce, experts: false);
        return Record(kernel, atOnce, isGrouped: false, (CudaQueue queue, CudaScratch scratch, in ProductOperands o) =>
        {
            if (o.Bias is not null)
            {
                throw new NotSupportedException("Products with int4 weights in tiles add no bias; pack with float32 activations.");
            }
            DeviceView rounded = Round(queue, scratch, o.X);
            queue.Call(kernel).View(o.Weights).View(o.Scales).View(rounded).View(o.Y).Value(o.X.Rows).Value(o.Y.Columns).Value(o.X.Columns)
                .Run(new(Int4Tiles.Units(o.Y.Columns), (o.X.Rows + atOnce - 1) / atOnce));
        });
    }

    private static CudaProduct Grouped(int atOnce)
    {
        string kernel = Int4MatVecPtx.Name(atOnce, experts: true);
        return Record(kernel, atOnce, isGrouped: true, (CudaQueue queue, CudaScratch scratch, in ProductOperands o) =>
        {
            DeviceView rounded = Round(queue, scratch, o.X);
            queue.Call(kernel).View(o.Weights).View(o.Scales).View(rounded).View(o.RowExperts).View(o.Starts).View(o.Y).Value(o.Y.Columns).Value(o.X.Columns)
                .Run(new(Int4Tiles.Units(o.Y.Columns), o.X.Rows));
        });
    }

    private static CudaProduct Record(string kernel, int atOnce, bool isGrouped, CudaProduct.Launcher launch) =>
        new(kernel, CudaLayout.Tiles, WeightFormat.Int4, Int4MatVecPtx.SharedBytes(atOnce), ActivationPrecision.BFloat16, Int4MatVecPtx.FirstSm,
            $"int4 weights in tiles, {When(atOnce)}{(isGrouped ? ", grouped by expert" : "")}", launch)
        {
            IsGrouped = isGrouped,
            MostRows = atOnce == Int4MatVecPtx.RowCounts[^1] ? int.MaxValue : atOnce,
        };

    private static DeviceView Round(CudaQueue queue, CudaScratch operand, Tensor x)
    {
        long bytes = x.Rows * Int4Operand.RowBytes(x.Columns);
        var rounded = new DeviceView(operand.Require(bytes), bytes);
        const int BlockColumns = Int4OperandPtx.Warps * Int4Tiles.GroupColumns;
        queue.Call(Int4OperandPtx.Name).View(x).View(rounded).Value(x.Columns).Run(new((x.Columns + BlockColumns - 1) / BlockColumns, x.Rows));
        return rounded;
    }

    private static string When(int rows) => rows switch
    {
        1 => "one row: bound by memory, 80 KB under way a multiprocessor",
        8 => "up to 8 rows: weights are read once for all",
        _ => "more rows: once for each 16",
    };
}
