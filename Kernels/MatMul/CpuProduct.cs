using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>Where the operands of a product lie on the host.</summary>
/// <param name="x">[tokens, in], contiguous; unchanged.</param>
/// <param name="tokens">T, at least 1.</param>
/// <param name="weights">[out, in] in the record's layout.</param>
/// <param name="bias">[out] or null</param>
/// <param name="y">[tokens, out], contiguous; must not overlap x.</param>
internal readonly unsafe ref struct CpuOperands(float* x, int tokens, IMatrix weights, float* bias, float* y)
{
    public readonly float* X = x;
    public readonly int Tokens = tokens;
    public readonly IMatrix Weights = weights;
    public readonly float* Bias = bias;
    public readonly float* Y = y;
}

/// <summary>A way to compute products on the host: what it takes, the weights' layout that it reads, and its launch.</summary>
/// <param name="Name">The record's name: operation, format of the weights, operands if they are rounded, and what runs it.</param>
/// <param name="Layout">Layout of the weights.</param>
/// <param name="Format">Format of the weights; null for all that other tools store and that are kept (<see cref="KeptFormats"/>).</param>
/// <param name="Operands">What it makes of x.</param>
/// <param name="Lack">What a processor lacks for it, or null.</param>
/// <param name="Reason">When it is taken and why then.</param>
/// <param name="Launch">Computes the product.</param>
internal sealed record CpuProduct(
    string Name, CpuLayout Layout, WeightFormat? Format, ActivationPrecision Operands, Func<CpuLimits, string?> Lack, string Reason, CpuProduct.Launcher Launch)
    : Product<CpuLimits>(Name, Format, Operands, Reason)
{
    public delegate void Launcher(CpuWorkspace workspace, in CpuOperands operands);

    /// <inheritdoc/>
    public override CpuLayout Layout { get; } = Layout;

    /// <summary>Codes that it does not read of those that other tools store.</summary>
    public WeightEncoding? Except { get; init; }

    /// <inheritdoc/>
    public override string Formats => Format?.Name ?? $"stored codes, as other tools make them{(Except is null ? "" : $", but {Except}")}, for";

    /// <inheritdoc/>
    public override bool Reads(WeightFormat format) =>
        Format is null ? format.Scale != ScaleKind.None && format.Encoding != Except && !WeightFormat.All.Contains(format) : Format == format;

    /// <inheritdoc/>
    public override string? Lacks(CpuLimits machine) => Lack(machine);
}
