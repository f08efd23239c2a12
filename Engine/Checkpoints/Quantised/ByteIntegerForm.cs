using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Engine.Checkpoints.Quantised;

/// <summary>Signed bytes of compressed-tensors: X.weight I8 [out, in], X.weight_scale [out, 1] or one number, perhaps X.weight_zero_point I8 like it.</summary>
internal sealed class ByteIntegerForm(QuantizationConfig? config) : IStoredForm
{
    /// <inheritdoc/>
    public bool Holds(ITensorSource source, string tensor) => source.TryGet(tensor, out StoredTensor? stored) && stored.Type.Name == "I8";

    /// <inheritdoc/>
    public void Check(ITensorSource source, WeightPart part, Weight weight, TensorReport report)
    {
        Modules.CheckLinear(weight, part.Tensor, report);
        string scaleName = part.Tensor + "_scale", zeroName = part.Tensor + "_zero_point";
        long rows = part.Rows;
        if (!ScaleChecks.Check(source, scaleName, part.Tensor, report, "row", [rows, 1], [rows], [1], []))
        {
            return;
        }
        ScaleChecks.CheckValues(source, scaleName, report, "row");
        _ = source.TryGet(scaleName, out StoredTensor? scale);
        bool zeros = source.TryGet(zeroName, out StoredTensor? zero);
        if (zeros)
        {
            report.Know(zeroName);
            if (zero!.Type.Name != "I8" || zero.Elements != scale!.Elements)
            {
                report.Fault(zeroName, $"is {zero.Type} {zero.ShapeText}, expected I8 {scale!.ShapeText}.");
            }
        }
        Modules.CheckGroup(
            config?.GroupOf(Modules.Of(part.Tensor)), part.Tensor, $"8-bit integers {(zeros ? "with" : "without")} zero points and a scale per row",
            group => !group.IsFloat && group.Bits == 8 && group.Symmetric != zeros && group.Strategy is QuantizationStrategy.Channel or QuantizationStrategy.Tensor, report);
    }

    /// <inheritdoc/>
    public MatrixSource Open(ITensorSource source, WeightPart part)
    {
        _ = source.TryGet(part.Tensor, out StoredTensor? stored);
        _ = source.TryGet(part.Tensor + "_scale", out StoredTensor? scale);
        int stride = scale!.Elements == 1 ? 0 : 1;
        var scales = new GroupNumbers(source.Address(scale), scale.Type.Element, stride);
        bool zeros = source.TryGet(part.Tensor + "_zero_point", out StoredTensor? zero);
        return new IntegerMatrix(
            source.Address(stored!), part.Columns, part.Rows, part.Columns,
            KeptFormats.Integers(8, 0, scales.ScaleKind, zeros ? OffsetKind.Zero : OffsetKind.None), scales,
            zeros ? new GroupNumbers(source.Address(zero!), null, stride, Bits: 8, IsByte: true) : default, IsSigned: true);
    }
}
