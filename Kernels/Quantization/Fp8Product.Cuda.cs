using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// y [T, out] = x [T, in] · Wᵀ for E4M3 weights in rows with a scale each, on a device's tensor cores. x is rounded to bfloat16, or quantised to E4M3 a row where the weights'
/// format wants that; products are of float16, which holds both, sums are float32.
/// </summary>
internal static class Fp8ProductCuda
{
    /// <summary>Rows, of an expert in the mean, up to which blocks have fewer of them: they wait for memory, of which several blocks ask at once.</summary>
    private const int MostRowsOfSmallTiles = 64;

    /// <summary>The records, those for few rows first; the last takes any number.</summary>
    internal static readonly CudaProduct[] Products =
    [
        .. Fp8MatVecPtx.Tiles.Select(tile => Vector(tile, isGrouped: false)), .. Fp8MatVecPtx.Tiles.Select(tile => Vector(tile, isGrouped: true)),
        .. Fp8GemmPtx.Tiles.Select(tile => Tiled(tile, isGrouped: false)), .. Fp8GemmPtx.Tiles.Select(tile => Tiled(tile, isGrouped: true)),
    ];

    private static CudaProduct Vector(VectorTile tile, bool isGrouped) =>
        Record(Fp8MatVecPtx.Name(tile, isGrouped), tile.SharedBytes, tile.When, isGrouped, (rows, outputs, _, _) => tile.Extents(rows, outputs, isGrouped), takesRowExperts: true) with
        {
            // Few slots are as many experts; of many, those of an expert count.
            CountsRowsOfExpert = isGrouped && tile == Fp8MatVecPtx.Tiles[^1],
            MostRows = tile.Rows,
        };

    private static CudaProduct Tiled(TensorTile tile, bool isGrouped)
    {
        bool isLast = tile == Fp8GemmPtx.Tiles[^1];
        string when = $"{(isLast ? "more rows" : $"up to {MostRowsOfSmallTiles} rows{(isGrouped ? " an expert" : "")}")}: a ring of steps in shared memory, {tile.Outputs} outputs and {tile.Tokens} rows a block";
        return Record(Fp8GemmPtx.Name(tile, isGrouped), Fp8GemmPtx.SharedBytes(tile), when, isGrouped, (rows, outputs, _, experts) => tile.Extents(rows, outputs, experts), takesRowExperts: false) with
        {
            CountsRowsOfExpert = isGrouped,
            MostRows = isLast ? int.MaxValue : MostRowsOfSmallTiles,
        };
    }

    private static CudaProduct Record(string kernel, int sharedBytes, string when, bool isGrouped, CudaProduct.ExtentsOf extents, bool takesRowExperts)
    {
        string reason = $"FP8 weights in rows, {when}{(isGrouped ? ", grouped by expert" : "")}";
        return new(kernel, CudaLayout.Rows, WeightFormat.Fp8, sharedBytes, ActivationPrecision.BFloat16, TensorTile.FirstSm, reason, extents, isGrouped ? Grouped : Dense)
        {
            AlsoReads = WeightFormat.Fp8Activations,
            IsGrouped = isGrouped,
            InnerMultiple = Int4Tiles.GroupColumns,
        };

        void Dense(CudaQueue queue, CudaScratch scratch, in ProductOperands o)
        {
            // Before the operand: what the number takes to come must not stand between grids that overlap.
            DeviceView rows = o.Counts!.Of(o.X.Rows);
            CudaProduct.Run(WithOperand(queue, scratch, kernel, o).View(o.Bias).View(o.Y).View(rows).Value(o.Y.Columns).Value(o.X.Columns), extents, o);
        }

        void Grouped(CudaQueue queue, CudaScratch scratch, in ProductOperands o)
        {
            KernelCall call = WithOperand(queue, scratch, kernel, o);
            CudaProduct.Run((takesRowExperts ? call.View(o.RowExperts) : call).View(o.Starts).View(o.Y).Value(o.Y.Columns).Value(o.X.Columns), extents, o);
        }
    }

    private static KernelCall WithOperand(CudaQueue queue, CudaScratch scratch, string kernel, in ProductOperands o)
    {
        (DeviceView values, DeviceView factors) = Fp8OperandCuda.Make(queue, scratch, o.X, o.QuantisesX);
        return queue.Call(kernel).View(o.Weights).View(o.Scales).View(values).View(factors);
    }
}
