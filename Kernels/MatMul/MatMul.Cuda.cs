using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>y = x·Wᵀ (+ bias) on a device. x [T, in], W [out, in], y [T, out], bias [1, out].</summary>
internal static class MatMulCuda
{
    internal static readonly KernelOption[] Kernels =
    [
        new("Linear", "matvec_", "up to 8 rows: a group per output reads its weights once for four rows", static rows => rows <= MostVectorRows),
        new("Linear", "matmul_", "more rows: tiles of 64 × 64 results through shared memory", static _ => true),
        KernelOption.Only("Linear", "quantise_fp8", "before products with FP8 activations: a group per row"),
    ];

    private const int Tile = 64;
    private const int Side = 16;
    private const int VectorRows = 4;
    private const int MostVectorRows = 8;
    private const float ActivationBound = Quantiser.ActivationBound;

    /// <summary>Fills <paramref name="y"/>.</summary>
    /// <exception cref="ArgumentException">Shapes differ or the matrix is another backend's.</exception>
    public static void Run(CudaQueue queue, CudaScratch codes, Tensor x, IMatrix weight, Tensor? bias, Tensor y)
    {
        CudaMatrix w = CudaMatrix.Require(weight);
        ShapeCheck.Require(x, x.Rows, w.Columns, nameof(x));
        ShapeCheck.Require(y, x.Rows, w.Rows, nameof(y));
        if (bias is Tensor b)
        {
            ShapeCheck.Require(b, 1, w.Rows, nameof(bias));
        }
        if (x.Rows == 0)
        {
            return;
        }
        if (w.Stack.Layout == CudaLayout.Tiles)
        {
            if (bias is not null)
            {
                throw new NotSupportedException("Products with int4 weights in tiles add no bias; pack with float32 activations.");
            }
            Int4MatVecCuda.Run(queue, codes, x, w.Codes, w.ScaleView, y);
            return;
        }
        bool isVector = KernelOption.Choose(Kernels, x.Rows).Kernel == "matvec_";
        KernelCall call = Rows(queue, codes, (isVector ? "matvec_" : "matmul_") + w.Format.Name, x, w.Stack)
            .View(w.Codes).View(w.ScaleView).View(bias).View(y)
            .Value(x.Rows).Value(w.Rows).Value(w.Columns);
        if (isVector)
        {
            call.Run(new(w.Rows, (x.Rows + VectorRows - 1) / VectorRows), ThreadsFor(w.Columns));
        }
        else
        {
            call.Run(new(Tiles(w.Rows), Tiles(x.Rows)), new Interop.Cuda.CudaDim3(Side, Side));
        }
    }

    /// <summary>Tiles of 64 that cover some rows or outputs.</summary>
    internal static int Tiles(int count) => (count + Tile - 1) / Tile;

    /// <summary>Threads of a group that adds up products: one for each 16 inputs is enough.</summary>
    internal static int ThreadsFor(int inner) => KernelCall.ThreadsFor((inner + 15) / 16);

    /// <summary>
    /// Begins a product: its arguments up to the rows of x, which are quantised first where the weights want that.
    /// </summary>
    internal static KernelCall Rows(CudaQueue queue, CudaScratch codes, string kernel, Tensor x, CudaMatrixStack weights)
    {
        if (!weights.Format.QuantisesActivations)
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
