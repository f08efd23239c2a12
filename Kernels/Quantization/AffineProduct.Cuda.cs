using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// <see cref="AffineProduct"/> on a device: one family of kernels for every format that is kept as it is stored, told which by a
/// launch's arguments. Weights lie in panels of 32 rows (<see cref="AffineLayout"/>), codes in the order of <see cref="CodePlanes"/>.
/// </summary>
internal static class AffineProductCuda
{
    private const int VectorRows = 4;
    private const int MostVectorRows = 8;
    private const int MostVectorSlots = 16;

    /// <summary>Columns that a warp of the kernels for few rows takes at a time.</summary>
    private const int ChunkColumns = 128;

    /// <summary>The records.</summary>
    internal static readonly CudaProduct[] Products =
    [
        Record("matvec_affine", isGrouped: false, MostVectorRows, "up to 8 rows: a warp per 32 outputs and 128 columns decodes in registers, once for four rows",
            (rows, outputs, inner, _) => (new(AffinePanel.Count(outputs), (rows + VectorRows - 1) / VectorRows), new(ThreadsFor(inner))), Dense),
        Record("matmul_affine", isGrouped: false, int.MaxValue, "more rows: decoded into tiles of 64 x 64 results in shared memory",
            (rows, outputs, _, _) => (new(MatMulCuda.Tiles(outputs), MatMulCuda.Tiles(rows)), Square), Dense),
        Record("expert_matvec_affine", isGrouped: true, MostVectorSlots, "up to 16 rows of experts: a warp per 32 outputs of a row and 128 columns",
            (rows, outputs, inner, _) => (new(AffinePanel.Count(outputs), rows), new(ThreadsFor(inner))), (KernelCall call, in ProductOperands o) => Grouped(call, o, o.RowExperts)),
        Record("expert_matmul_affine", isGrouped: true, int.MaxValue, "more: tiles of 64 x 64 results of one expert; groups beyond its rows end at once",
            (rows, outputs, _, experts) => (new(MatMulCuda.Tiles(outputs), MatMulCuda.Tiles(rows), experts), Square), (KernelCall call, in ProductOperands o) => Grouped(call, o, o.Starts)),
    ];

    private static CudaDim3 Square => new(MatMulCuda.Side, MatMulCuda.Side);

    /// <summary>The arguments that tell a kernel where things lie and what they are.</summary>
    internal static KernelCall Layout(KernelCall call, in AffineLayout layout) =>
        call.Value(layout.Form).Value(layout.Group).Value(layout.Slab).Value(layout.OffsetsAt).Value(layout.CodesAt).Value(layout.SlabBytes).Value(layout.PanelBytes);

    private static int ThreadsFor(int inner) => KernelCall.ThreadsFor((inner + ChunkColumns - 1) / ChunkColumns * AffineLayout.PanelRows);

    private static CudaProduct Record(string kernel, bool isGrouped, int mostRows, string reason, CudaProduct.ExtentsOf extents, Arguments arguments) =>
        new(kernel, CudaLayout.Panels, null, SharedBytes: 0, ActivationPrecision.Float32, FirstSm: 80, reason, extents, (CudaQueue queue, CudaScratch _, in ProductOperands o) =>
        {
            KernelCall call = Layout(arguments(queue.Call(kernel).View(o.X).View(o.Weights), o), o.Panels);
            // Tiles add up in as many parts as a group of the kernels for few rows has warps.
            CudaProduct.Run(mostRows == int.MaxValue ? call.Value(ThreadsFor(o.X.Columns) / AffineLayout.PanelRows) : call, extents, o);
        })
        { IsGrouped = isGrouped, MostRows = mostRows };

    /// <summary>Adds the arguments behind those of x and the weights.</summary>
    private delegate KernelCall Arguments(KernelCall call, in ProductOperands o);

    private static KernelCall Dense(KernelCall call, in ProductOperands o) => call.View(o.Bias).View(o.Y).Value(o.X.Rows).Value(o.Y.Columns).Value(o.X.Columns);

    private static KernelCall Grouped(KernelCall call, in ProductOperands o, DeviceView groups) => call.View(groups).View(o.Y).Value(o.Y.Columns).Value(o.X.Columns);
}
