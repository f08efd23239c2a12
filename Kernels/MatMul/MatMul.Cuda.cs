using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>y = x·Wᵀ (+ bias) on a device. x [T, in], W [out, in], y [T, out], bias [1, out].</summary>
internal static class MatMulCuda
{
    internal static readonly KernelOption[] Kernels =
    [
        new("Linear", "quantise_fp8", "before products with FP8 activations: a group per row"),
        new("Linear", PlaceColumns, "after each part of a weight whose parts have formats of their own: a group per row"),
    ];

    /// <summary>
    /// Outputs up to which groups of an output each are taken for any number of rows, as routers have them: tiles of so few
    /// outputs would be few groups, each of which loops over all columns by itself.
    /// </summary>
    internal const int FewOutputs = 128;

    /// <summary>Threads of a tile's group along each axis.</summary>
    internal const int Side = 16;

    private const int Tile = 64;
    private const string PlaceColumns = "place_columns";
    private const float ActivationBound = Quantiser.ActivationBound;

    /// <summary>Fills <paramref name="y"/>.</summary>
    /// <exception cref="ArgumentException">Shapes differ or the matrix is another backend's.</exception>
    public static void Run(CudaQueue queue, CudaProducts products, LinearScratch scratch, Tensor x, IMatrix weight, Tensor? bias, Tensor y)
    {
        MatMul.Check(MemoryPlace.Device, x, weight, bias, y);
        if (weight is not StackedMatrix stacked)
        {
            Part(queue, products, scratch, x, CudaMatrix.Require(weight), bias, y);
            return;
        }
        int first = 0;
        foreach (IMatrix item in stacked.Parts)
        {
            CudaMatrix part = CudaMatrix.Require(item);
            Tensor outputs = scratch.Part.Require(x.Rows, part.Rows);
            Part(queue, products, scratch, x, part, bias is Tensor all ? all with { Address = all.Address + first * sizeof(float), Columns = part.Rows } : null, outputs);
            Place(queue, outputs, y, first);
            first += part.Rows;
        }
    }

    /// <summary>Puts a part's outputs behind those of the parts before it.</summary>
    internal static void Place(CudaQueue queue, Tensor outputs, Tensor y, int first) =>
        queue.Call(PlaceColumns).View(outputs).View(y).Value(outputs.Columns).Value(y.Columns).Value(first)
            .Run(new(outputs.Rows), KernelCall.ThreadsFor(outputs.Columns));

    private static void Part(CudaQueue queue, CudaProducts products, LinearScratch scratch, Tensor x, CudaMatrix w, Tensor? bias, Tensor y)
    {
        if (x.Rows > 0)
        {
            var gemm = new GemmDesc(x.Rows, w.Rows, w.Columns, w.Format, products.Activations);
            products.Choose(gemm, w.Stack.Layout).Launch(queue, scratch.Rows, new ProductOperands(x, w.Codes, w.ScaleView, bias, y, scratch.Counts, default, default, w.Stack.Panels, w.Format.QuantisesActivations));
        }
    }

    /// <summary>Most bytes of a row of x as a product wants it: rounded for tensor cores, or in FP8 with its scale.</summary>
    internal static long OperandBytes(int columns) => Math.Max(Int4Operand.RowBytes(columns + Int4Tiles.GroupColumns - 1), columns + sizeof(float));

    /// <summary>Tiles of 64 that cover some rows or outputs.</summary>
    internal static int Tiles(int count) => (count + Tile - 1) / Tile;

    /// <summary>Threads of a group that adds up products: one for each 16 inputs is enough.</summary>
    internal static int ThreadsFor(int inner) => KernelCall.ThreadsFor((inner + 15) / 16);

    /// <summary>
    /// Begins a product: its arguments up to the rows of x, which are quantised first where the weights want that.
    /// </summary>
    internal static KernelCall Rows(CudaQueue queue, CudaScratch codes, string kernel, Tensor x, WeightFormat weights)
    {
        if (!weights.QuantisesActivations)
        {
            return queue.Call(kernel).View(x);
        }
        long scalesAt = (x.Elements + DeviceArena.Alignment - 1) & -DeviceArena.Alignment;
        nint quantised = codes.Require(scalesAt + x.Rows * sizeof(float));
        nint scales = quantised + (nint)scalesAt;
        queue.Call("quantise_fp8").View(x).View(quantised, x.Elements).View(scales, x.Rows).Value(x.Columns).Value(ActivationBound)
            .Run(new(x.Rows), KernelCall.ThreadsFor(x.Columns));
        return queue.Call(kernel).View(quantised, x.Elements).View(scales, x.Rows);
    }
}

/// <summary>What products need beside their operands.</summary>
internal sealed class LinearScratch(CudaQueue queue) : IDisposable
{
    /// <summary>Rows of x as a kernel wants them.</summary>
    public CudaScratch Rows { get; } = new(queue);

    /// <summary>Outputs of a part of a weight.</summary>
    public CudaScratch Part { get; } = new(queue);

    /// <summary>Numbers of rows where kernels read them.</summary>
    public RowCounts Counts { get; } = new(queue);

    public void Dispose()
    {
        Rows.Dispose();
        Part.Dispose();
        Counts.Dispose();
    }
}
