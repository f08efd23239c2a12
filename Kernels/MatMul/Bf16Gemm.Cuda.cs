using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// y [T, out] = x [T, in] · Wᵀ for bfloat16 weights in rows, many rows of x, on a device's tensor cores. x is rounded to bfloat16, sums are float32.
/// </summary>
internal static class Bf16GemmCuda
{
    /// <summary>Rows up to which blocks have fewer of them: they wait for memory, of which several blocks ask at once.</summary>
    private const int MostRowsOfSmallTiles = 64;

    /// <summary>The records, those for fewer rows first.</summary>
    internal static readonly CudaProduct[] Products = [.. Bf16GemmPtx.Tiles.Select(Record)];

    private static CudaProduct Record(TensorTile tile)
    {
        string kernel = Bf16GemmPtx.Name(tile);
        bool isLast = tile == Bf16GemmPtx.Tiles[^1];
        CudaProduct.ExtentsOf extents = (rows, outputs, _, _) => tile.Extents(rows, outputs, experts: 0);
        return new(kernel, CudaLayout.Rows, WeightFormat.BF16, Bf16GemmPtx.SharedBytes(tile), ActivationPrecision.BFloat16, TensorProductPtx.FirstSm,
            $"bf16 weights in rows, {(isLast ? "more rows" : $"up to {MostRowsOfSmallTiles} rows")}: a ring of steps in shared memory, {tile.Outputs} outputs and {tile.Tokens} rows a block",
            extents, (CudaQueue queue, CudaScratch scratch, in ProductOperands o) =>
            {
                // Before the rounding: what the number takes to come must not stand between grids that overlap.
                DeviceView rows = o.Counts!.Of(o.X.Rows), rounded = Int4OperandCuda.Of(queue, scratch, o);
                CudaProduct.Run(queue.Call(kernel).View(o.Weights).View(rounded).View(o.Bias).View(o.Y).View(rows).Value(o.Y.Columns).Value(o.X.Columns), extents, o);
            })
        {
            MostRows = isLast ? int.MaxValue : MostRowsOfSmallTiles,
            InnerMultiple = Int4Tiles.GroupColumns,
            Rounds = true,
        };
    }
}
