using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Rounds x to bfloat16 in the order of fragments (<see cref="Int4Operand"/>), before products on tensor cores.</summary>
internal static class Int4OperandCuda
{
    internal static readonly KernelOption[] Kernels =
        [new("Linear", Int4OperandPtx.Name, "before products on tensor cores: rounds x to bfloat16 in the order of fragments")];

    /// <summary>A product's x, rounded if it is not yet.</summary>
    public static DeviceView Of(CudaQueue queue, CudaScratch operand, in ProductOperands o) => o.Rounded.Elements > 0 ? o.Rounded : Round(queue, operand, o.X);

    /// <summary>Launches the rounding.</summary>
    /// <param name="queue">Takes the launch.</param>
    /// <param name="operand">Memory for the operand, which the next one overwrites.</param>
    /// <param name="x">[rows, in], in a multiple of 128.</param>
    public static DeviceView Round(CudaQueue queue, CudaScratch operand, Tensor x)
    {
        long bytes = x.Rows * Int4Operand.RowBytes(x.Columns);
        var rounded = new DeviceView(operand.Require(bytes), bytes);
        const int BlockColumns = Int4OperandPtx.Warps * Int4Tiles.GroupColumns;
        queue.Call(Int4OperandPtx.Name).View(x).View(rounded).Value(x.Columns).Run(new((x.Columns + BlockColumns - 1) / BlockColumns, x.Rows));
        return rounded;
    }
}
