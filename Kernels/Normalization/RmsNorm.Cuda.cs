using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Normalization;

/// <summary>What the choice of a kernel for RMS norm depends on.</summary>
/// <param name="Columns">Columns of a row.</param>
/// <param name="IsAligned">Whether all operands begin at multiples of 16 bytes.</param>
/// <param name="Sm">The device's compute capability.</param>
internal readonly record struct RmsNormCase(int Columns, bool IsAligned, int Sm);

/// <summary><see cref="RmsNorm"/> on a device.</summary>
internal static class RmsNormCuda
{
    private const int Alignment = RmsNormPtx.Vector * sizeof(float);

    private static readonly string s_early = $"is for sm_{RmsNormPtx.FirstSm} and later";
    private static readonly string s_narrow = $"is for rows of {RmsNormPtx.FullColumns} columns and more, which give each of a block's threads some";
    private static readonly string s_wide = $"is for up to {RmsNormPtx.MostColumns} columns";
    private static readonly string s_odd = $"is for columns in multiples of {RmsNormPtx.Vector} that begin at multiples of {Alignment} bytes";

    /// <summary>The records. Each adds up a row in one order, whatever else is in the step.</summary>
    internal static readonly KernelRecords<RmsNormCase, Launcher> Records = new(
        "RmsNorm",
        new(
            RmsNormPtx.Name,
            what => what.Sm < RmsNormPtx.FirstSm ? s_early
                : what.Columns < RmsNormPtx.FullColumns ? s_narrow
                : what.Columns > RmsNormPtx.MostColumns ? s_wide
                : what.Columns % RmsNormPtx.Vector != 0 || !what.IsAligned ? s_odd
                : null,
            $"a block per row of {RmsNormPtx.FullColumns} to {RmsNormPtx.MostColumns} columns, which is asked for at once",
            (queue, x, weight, eps, output) => Call(queue, RmsNormPtx.Name, x, weight, eps, output).Run(new(x.Rows))),
        new(
            "rms_norm",
            _ => null,
            "a group per row",
            (queue, x, weight, eps, output) => Call(queue, "rms_norm", x, weight, eps, output).Run(new(x.Rows), KernelCall.ThreadsFor(x.Columns))));

    /// <summary>Puts the launch into a queue.</summary>
    internal delegate void Launcher(CudaQueue queue, Tensor x, Tensor weight, float eps, Tensor output);

    /// <summary>As <see cref="RmsNorm.Run"/>, on a device; sums are float32.</summary>
    /// <exception cref="ArgumentException">Shapes differ.</exception>
    public static void Run(CudaQueue queue, Tensor x, Tensor weight, float eps, Tensor output)
    {
        RmsNorm.Check(MemoryPlace.Device, x, weight, output);
        bool isAligned = ((x.Address | weight.Address | output.Address) & (Alignment - 1)) == 0;
        Records.Choose(new RmsNormCase(x.Columns, isAligned, queue.Kernels.Limits.Sm)).Launch(queue, x, weight, eps, output);
    }

    private static KernelCall Call(CudaQueue queue, string kernel, Tensor x, Tensor weight, float eps, Tensor output) =>
        queue.Call(kernel).View(x).View(weight).View(output).Value(x.Columns).Value(eps);
}
