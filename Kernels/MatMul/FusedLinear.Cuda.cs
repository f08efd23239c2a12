using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.ExpertRouting;
using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>Products on a device whose x another kernel rounds: the norm before them, or the fold of attention.</summary>
internal static class FusedLinearCuda
{
    /// <summary>y = norm(x)·Wᵀ (+ bias) in two launches: the norm writes what the product multiplies. False, and nothing done, if the product takes other operands.</summary>
    /// <exception cref="ArgumentException">Shapes differ or the matrix is another backend's.</exception>
    public static bool TryNormed(CudaQueue queue, CudaProducts products, LinearScratch scratch, Tensor x, Tensor norm, float eps, IMatrix weight, Tensor? bias, Tensor y)
    {
        if (Product(products, x.Rows, weight) is not CudaProduct product || x.Columns > NormedRowPtx.MostColumns || x.Columns % Int4Tiles.GroupColumns != 0)
        {
            return false;
        }
        MatMul.Check(MemoryPlace.Device, x, weight, bias, y);
        ShapeCheck.Require(norm, MemoryPlace.Device, 1, x.Columns, nameof(norm));
        // Before the norm: what the number takes to come must not stand between grids that overlap.
        _ = scratch.Counts.Of(x.Rows);
        long bytes = x.Rows * Int4Operand.RowBytes(x.Columns);
        var rounded = new DeviceView(scratch.Rows.Require(bytes), bytes);
        queue.Call(NormRouterPtx.Name).View(x).View(norm).View(0, 0).View(rounded).View(0, 0).Value(x.Columns).Value(0).Value(eps).Run(new(NormRouterPtx.Blocks(0), x.Rows));
        Launch(queue, product, scratch, x, CudaMatrix.Require(weight), bias, y, rounded);
        return true;
    }

    /// <summary>
    /// hidden += attention(qkv)·Wᵀ (+ bias): the fold of attention writes what the product multiplies, and of one row without a bias the product adds what was there.
    /// False, and nothing done, if other kernels attend or the product takes other operands.
    /// </summary>
    /// <exception cref="ArgumentException">Shapes differ, or the matrix or the cache is another backend's.</exception>
    public static bool TryAttended(CudaQueue queue, CudaProducts products, (LinearScratch Linear, AttentionScratch Attention) scratch, Tensor qkv, AttentionShape shape, KvStep cache, int layer, IMatrix weight, Tensor? bias, Tensor block, Tensor hidden)
    {
        var heads = new Tensor(qkv.Address, qkv.Rows, shape.QueryColumns, ElementType.F32, MemoryPlace.Device);
        if (Product(products, qkv.Rows, weight) is not CudaProduct product || qkv.Rows == 0)
        {
            return false;
        }
        ShapeCheck.Require(block, MemoryPlace.Device, qkv.Rows, weight.Rows, nameof(block));
        MatMul.Check(MemoryPlace.Device, heads, weight, bias, block);
        ShapeCheck.Require(hidden, MemoryPlace.Device, qkv.Rows, weight.Rows, nameof(hidden));
        _ = scratch.Linear.Counts.Of(qkv.Rows);
        if (SplitAttentionCuda.TryRounded(queue, scratch.Attention, qkv, shape, products.Activations, cache, layer) is not DeviceView rounded)
        {
            return false;
        }
        // A row's residual is added as a bias is: each value is read before it is written, by one thread.
        bool adds = qkv.Rows == 1 && bias is null;
        Launch(queue, product, scratch.Linear, heads, CudaMatrix.Require(weight), adds ? hidden : bias, adds ? hidden : block, rounded);
        if (!adds)
        {
            Activation.ResidualAddCuda.Run(queue, block, hidden);
        }
        return true;
    }

    /// <summary>The record for a product, if it multiplies rounded rows.</summary>
    private static CudaProduct? Product(CudaProducts products, int rows, IMatrix weight)
    {
        if (weight is not CudaMatrix matrix || rows == 0)
        {
            return null;
        }
        CudaProduct product = products.Choose(new GemmDesc(rows, matrix.Rows, matrix.Columns, matrix.Format, products.Activations), matrix.Stack.Layout);
        return product.Rounds ? product : null;
    }

    private static void Launch(CudaQueue queue, CudaProduct product, LinearScratch scratch, Tensor x, CudaMatrix weight, Tensor? bias, Tensor y, DeviceView rounded) =>
        product.Launch(queue, scratch.Rows, new ProductOperands(x, weight.Codes, weight.ScaleView, bias, y, scratch.Counts, default, default, weight.Stack.Panels, Rounded: rounded));
}
