using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>Where the operands of a product lie on the device.</summary>
/// <param name="X">[rows, in]</param>
/// <param name="Weights">Codes, of experts all of them.</param>
/// <param name="Scales">Scales.</param>
/// <param name="Bias">[1, out], or none; experts have none.</param>
/// <param name="Y">[rows, out]</param>
/// <param name="Counts">Gives the number of rows where kernels read it; null for experts, whose starts say it.</param>
/// <param name="RowExperts">[rows] int32: each row's expert; empty for one matrix.</param>
/// <param name="Starts">[E + 1] int32: each expert's first row; empty for one matrix.</param>
/// <param name="Panels">Where things lie in the weights' panels, if that is their layout.</param>
/// <param name="QuantisesX">The weights' format has each row of x quantised.</param>
/// <param name="Rounded">x as <see cref="Int4Operand"/>, if it is there already: records that <see cref="CudaProduct.Rounds"/> take it.</param>
internal readonly record struct ProductOperands(
    Tensor X, DeviceView Weights, DeviceView Scales, Tensor? Bias, Tensor Y, RowCounts? Counts, DeviceView RowExperts, DeviceView Starts, AffineLayout Panels = default, bool QuantisesX = false, DeviceView Rounded = default);

/// <summary>A way to compute products on a device: what it takes, the weights' layout that it reads, and its launches.</summary>
/// <param name="Kernel">Name of the kernel, also the record's.</param>
/// <param name="Layout">Layout of the weights.</param>
/// <param name="Format">Format of the weights; null for all that are kept as they are stored.</param>
/// <param name="SharedBytes">Dynamic shared memory of a block.</param>
/// <param name="Operands">What it makes of x.</param>
/// <param name="FirstSm">The earliest device.</param>
/// <param name="Reason">When it is taken and why then.</param>
/// <param name="Extents">Grid and block of the product's launch.</param>
/// <param name="Launch">Puts the launches into a queue; the scratch holds x as the kernel wants it.</param>
internal sealed record CudaProduct(
    string Kernel, CudaLayout Layout, WeightFormat? Format, int SharedBytes, ActivationPrecision Operands, int FirstSm, string Reason, CudaProduct.ExtentsOf Extents, CudaProduct.Launcher Launch)
    : Product<DeviceLimits>(Kernel, Format, Operands, Reason)
{
    public delegate (CudaDim3 Grid, CudaDim3 Block) ExtentsOf(int rows, int outputs, int inner, int experts);

    public delegate void Launcher(CudaQueue queue, CudaScratch scratch, in ProductOperands operands);

    /// <summary>It multiplies <see cref="Int4Operand"/>, and rounds x to it if it is not there.</summary>
    public bool Rounds { get; init; }

    /// <summary>Launches a kernel whose arguments were given.</summary>
    public static void Run(KernelCall call, ExtentsOf extents, in ProductOperands o)
    {
        (CudaDim3 grid, CudaDim3 block) = extents(o.X.Rows, o.Y.Columns, o.X.Columns, Math.Max(0, (int)o.Starts.Elements - 1));
        call.Run(grid, block);
    }

    /// <inheritdoc/>
    public override CudaLayout Layout { get; } = Layout;

    /// <inheritdoc/>
    public override string Formats => Format?.Name ?? "kept";

    /// <summary>A format with the same codes, whose products quantise x.</summary>
    public WeightFormat? AlsoReads { get; init; }

    /// <inheritdoc/>
    public override bool Reads(WeightFormat format) => Format is null ? !WeightFormat.All.Contains(format) : Format == format || AlsoReads == format;

    /// <inheritdoc/>
    public override string? Lacks(DeviceLimits machine) =>
        machine.Sm < FirstSm ? $"needs sm_{FirstSm}, the device is sm_{machine.Sm}"
        : machine.SharedBytes < SharedBytes ? $"needs {SharedBytes} bytes of shared memory a block, the device has {machine.SharedBytes}"
        : null;
}
