using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>The ordered list of products on a device, and the choice from it.</summary>
/// <param name="device">The device.</param>
/// <param name="activations">What products may make of their activations.</param>
/// <param name="forced">A record to be taken wherever it can be; null for none.</param>
internal sealed class CudaProducts(DeviceLimits device, ActivationPrecision activations, string? forced)
    : ProductList<CudaProduct, DeviceLimits>(All, device, "this device", activations, forced)
{
    private const int VectorRows = 4;
    private const int MostVectorRows = 8;
    private const int MostVectorSlots = 16;

    /// <summary>Formats that kernels in C# read, in rows.</summary>
    private static readonly WeightFormat[] s_rowFormats = [WeightFormat.F32, WeightFormat.BF16, WeightFormat.Fp8, WeightFormat.Fp8Activations, WeightFormat.Int4];

    /// <summary>All records.</summary>
    public static CudaProduct[] All { get; } =
    [
        .. Int4MatVecCuda.Products,
        .. Int4GemmCuda.Products,
        .. AffineProductCuda.Products,
        .. Bf16MatVecCuda.Products,
        .. Fp8ProductCuda.Products,
        .. s_rowFormats.Select(format => Vector(format)),
        .. Bf16GemmCuda.Products,
        .. s_rowFormats.Select(format => Tiled(format)),
        .. s_rowFormats.Select(format => ExpertVector(format)),
        .. s_rowFormats.Select(format => ExpertTiled(format)),
    ];

    /// <summary>The layout for weights that are to be packed.</summary>
    /// <exception cref="NotSupportedException">No kernel reads their format.</exception>
    public CudaLayout Layout(StackedSources shape, int count) => ForPacking(Packed(shape, count)).Layout;

    /// <summary>Whether there are kernels for weights of a format.</summary>
    public bool Reads(StackedSources shape) => Reads(Packed(shape, 1));

    private GemmDesc Packed(StackedSources shape, int count) => new(1, shape.Rows, shape.Columns, shape.Format, Activations, count > 1 ? count : 0);

    private static CudaProduct Vector(WeightFormat format) =>
        Row("matvec_" + format.Name, format, isGrouped: false, MostVectorRows, "up to 8 rows, or 128 outputs: a group per output reads its weights once for four rows",
            (rows, outputs, inner, _) => (new(outputs, (rows + VectorRows - 1) / VectorRows), new(MatMulCuda.ThreadsFor(inner))), Dense)
        with
        { FewOutputs = MatMulCuda.FewOutputs };

    private static CudaProduct Tiled(WeightFormat format) =>
        Row("matmul_" + format.Name, format, isGrouped: false, int.MaxValue, "more rows: tiles of 64 × 64 results through shared memory",
            (rows, outputs, _, _) => (new(MatMulCuda.Tiles(outputs), MatMulCuda.Tiles(rows)), new(MatMulCuda.Side, MatMulCuda.Side)),
            (KernelCall call, in ProductOperands o) => Sets(Dense(call, o), o));

    private static CudaProduct ExpertVector(WeightFormat format) =>
        Row("expert_matvec_" + format.Name, format, isGrouped: true, MostVectorSlots, "up to 16 rows of experts: a group per output of a row",
            (rows, outputs, inner, _) => (new(outputs, rows), new(MatMulCuda.ThreadsFor(inner))),
            (KernelCall call, in ProductOperands o) => Grouped(call, o, o.RowExperts));

    private static CudaProduct ExpertTiled(WeightFormat format) =>
        Row("expert_matmul_" + format.Name, format, isGrouped: true, int.MaxValue, "more: tiles of 64 × 64 results of one expert; groups beyond its rows end at once",
            (rows, outputs, _, experts) => (new(MatMulCuda.Tiles(outputs), MatMulCuda.Tiles(rows), experts), new(MatMulCuda.Side, MatMulCuda.Side)),
            (KernelCall call, in ProductOperands o) => Sets(Grouped(call, o, o.Starts), o));

    private static CudaProduct Row(string kernel, WeightFormat format, bool isGrouped, int mostRows, string reason, CudaProduct.ExtentsOf extents, Arguments arguments) =>
        new(kernel, CudaLayout.Rows, format, SharedBytes: 0, ActivationPrecision.Float32, FirstSm: 80, reason, extents, (CudaQueue queue, CudaScratch scratch, in ProductOperands o) =>
            CudaProduct.Run(arguments(MatMulCuda.Rows(queue, scratch, kernel, o.X, format), o), extents, o))
        { IsGrouped = isGrouped, MostRows = mostRows };

    /// <summary>Adds the arguments behind those of x.</summary>
    private delegate KernelCall Arguments(KernelCall call, in ProductOperands o);

    private static KernelCall Dense(KernelCall call, in ProductOperands o) =>
        call.View(o.Weights).View(o.Scales).View(o.Bias).View(o.Y).Value(o.X.Rows).Value(o.Y.Columns).Value(o.X.Columns);

    private static KernelCall Grouped(KernelCall call, in ProductOperands o, DeviceView groups) =>
        call.View(o.Weights).View(o.Scales).View(groups).View(o.Y).Value(o.Y.Columns).Value(o.X.Columns);

    /// <summary>Tiles add up in the order of the vector kernels, which their groups' threads give.</summary>
    private static KernelCall Sets(KernelCall call, in ProductOperands o) => call.Value(MatMulCuda.ThreadsFor(o.X.Columns) / 4);
}
