using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Brings x into the order of fragments with a factor a row (<see cref="Fp8Operand"/>), before products of FP8 weights on tensor cores.</summary>
internal static class Fp8OperandCuda
{
    internal static readonly KernelOption[] Kernels =
    [
        new("Linear", Fp8OperandPtx.Name(quantises: false), "before products of FP8 weights on tensor cores: a group per row rounds x to bfloat16"),
        new("Linear", Fp8OperandPtx.Name(quantises: true), "before products of FP8 weights on tensor cores: a group per row quantises x to E4M3"),
    ];

    /// <summary>Launches what makes the operand.</summary>
    /// <param name="queue">Takes the launch.</param>
    /// <param name="operand">Memory for the operand, which the next one overwrites.</param>
    /// <param name="x">[rows, in], in a multiple of 128.</param>
    /// <param name="quantises">To E4M3 by <see cref="Quantiser"/>'s rule; otherwise to bfloat16.</param>
    public static (DeviceView Values, DeviceView Factors) Make(CudaQueue queue, CudaScratch operand, Tensor x, bool quantises)
    {
        long bytes = x.Rows * Fp8Operand.RowBytes(x.Columns), factorsAt = (bytes + DeviceArena.Alignment - 1) & -DeviceArena.Alignment;
        nint address = operand.Require(factorsAt + (x.Rows * sizeof(float)));
        DeviceView values = new(address, bytes), factors = new(address + (nint)factorsAt, x.Rows);
        KernelCall call = queue.Call(Fp8OperandPtx.Name(quantises)).View(x).View(values).View(factors).Value(x.Columns);
        (quantises ? call.Value(Quantiser.ActivationBound) : call).Run(new(x.Rows), Fp8OperandPtx.Threads);
        return (values, factors);
    }
}
