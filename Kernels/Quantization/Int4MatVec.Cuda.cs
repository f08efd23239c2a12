using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// y [T, out] = x [T, in] · Wᵀ for int4 weights in <see cref="Int4Tiles"/> on a device's tensor cores. x is rounded to bfloat16, sums
/// are float32. Weights are read once for up to 16 rows; more rows are slices of 16.
/// </summary>
internal static class Int4MatVecCuda
{
    internal static readonly KernelOption[] Kernels =
    [
        KernelOption.Only("Linear", Int4OperandPtx.Name, "before products with int4 weights in tiles: rounds x to bfloat16 in the order of fragments"),
        .. Int4MatVecPtx.RowCounts.Select(rows => new KernelOption("Linear", Int4MatVecPtx.Name(rows, experts: false), $"int4 weights in tiles, {When(rows)}", count => Int4MatVecPtx.RowsAtOnce(count) == rows)),
        .. Int4MatVecPtx.RowCounts.Select(rows => new KernelOption("ExpertFeedForward", Int4MatVecPtx.Name(rows, experts: true), $"int4 weights in tiles, {When(rows)}, grouped by expert", count => Int4MatVecPtx.RowsAtOnce(count) == rows)),
    ];

    /// <summary>Why a device cannot take the kernels, or null if it can.</summary>
    public static string? WhyNot(int sm, int sharedBytesOfBlock)
    {
        int needed = Int4MatVecPtx.RowCounts.Max(Int4MatVecPtx.SharedBytes);
        return sm < Int4MatVecPtx.FirstSm ? $"they need sm_{Int4MatVecPtx.FirstSm}"
            : sharedBytesOfBlock < needed ? $"a block needs {needed} bytes of shared memory, the device has {sharedBytesOfBlock}"
            : null;
    }

    /// <summary>A product with one matrix.</summary>
    /// <param name="queue">Where launches go.</param>
    /// <param name="operand">Holds the rounded rows.</param>
    /// <param name="x">[T, in], T at least 1.</param>
    /// <param name="weights">Codes.</param>
    /// <param name="scales">Scales.</param>
    /// <param name="y">[T, out]</param>
    public static void Run(CudaQueue queue, CudaScratch operand, Tensor x, DeviceView weights, DeviceView scales, Tensor y)
    {
        DeviceView rounded = Round(queue, operand, x);
        int atOnce = Int4MatVecPtx.RowsAtOnce(x.Rows);
        queue.Call(Int4MatVecPtx.Name(atOnce, experts: false)).View(weights).View(scales).View(rounded).View(y)
            .Value(x.Rows).Value(y.Columns).Value(x.Columns)
            .Run(new(Int4Tiles.Units(y.Columns), (x.Rows + atOnce - 1) / atOnce));
    }

    /// <summary>Products of rows in the order of experts, each with its expert's matrix of a stack.</summary>
    /// <param name="queue">Where launches go.</param>
    /// <param name="operand">Holds the rounded rows.</param>
    /// <param name="x">[slots, in], at least one.</param>
    /// <param name="weights">Codes of all experts.</param>
    /// <param name="scales">Scales of all experts.</param>
    /// <param name="rowExperts">[slots] int32: expert of a row.</param>
    /// <param name="starts">[E + 1] int32: first row of an expert.</param>
    /// <param name="y">[slots, out]</param>
    public static void RunExperts(CudaQueue queue, CudaScratch operand, Tensor x, DeviceView weights, DeviceView scales, DeviceView rowExperts, DeviceView starts, Tensor y)
    {
        DeviceView rounded = Round(queue, operand, x);
        queue.Call(Int4MatVecPtx.Name(Int4MatVecPtx.RowsAtOnce(x.Rows), experts: true)).View(weights).View(scales).View(rounded)
            .View(rowExperts).View(starts).View(y).Value(y.Columns).Value(x.Columns)
            .Run(new(Int4Tiles.Units(y.Columns), x.Rows));
    }

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
