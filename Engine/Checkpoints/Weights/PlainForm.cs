using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>
/// Elements by themselves: float32, bfloat16 and half, and E4M3 codes of linear weights with a companion "…_scale" that has a
/// multiplier for each output feature.
/// </summary>
internal sealed class PlainForm : IStoredForm
{
    private const string ScaleSuffix = "_scale";

    /// <inheritdoc/>
    public bool Holds(ITensorSource source, string tensor) => source.TryGet(tensor, out StoredTensor? stored) && stored.Type.Element is not null;

    /// <inheritdoc/>
    public void Check(ITensorSource source, WeightPart part, Weight weight, TensorReport report)
    {
        _ = source.TryGet(part.Tensor, out StoredTensor? stored);
        bool codes = stored!.Type.Element == ElementType.F8E4M3;
        if (codes && !weight.IsLinear)
        {
            report.Fault(part.Tensor, $"is {stored.Type}, expected F32, BF16 or F16.");
        }
        else if (codes)
        {
            CheckScales(source, part, report);
        }
        if (stored.Strides is not null && stored.Shape.Count > 2)
        {
            report.Fault(part.Tensor, $"has the strides [{string.Join(", ", stored.Strides)}]; only matrices may have gaps between their elements.");
        }
    }

    /// <inheritdoc/>
    public MatrixSource Open(ITensorSource source, WeightPart part)
    {
        _ = source.TryGet(part.Tensor, out StoredTensor? stored);
        ElementType type = stored!.Type.Element!.Value;
        (long row, long column) = stored.Strides switch
        {
            null => (part.RowElements, 1),
            [var only] => (0, only),
            var both => (both[0], both[1]),
        };
        nint first = source.Address(stored) + (nint)((part.FirstRow * row + part.FirstColumn * column) * type.Size());
        StridedMatrix matrix = part.Transposed
            ? new StridedMatrix(first, type, part.Columns, part.Rows, column, row)
            : new StridedMatrix(first, type, part.Rows, part.Columns, row, column);
        if (type != ElementType.F8E4M3)
        {
            return matrix;
        }
        _ = source.TryGet(part.Tensor + ScaleSuffix, out StoredTensor? scales);
        ElementType scaleType = scales!.Type.Element!.Value;
        // Of fused experts [experts, in, out] the output features are columns, and each expert has its own.
        long firstScale = part.Transposed ? part.FirstRow / part.Rows * part.RowElements + part.FirstColumn : part.FirstRow;
        return matrix with { RowScales = source.Address(scales) + (nint)(firstScale * scaleType.Size()), RowScaleType = scaleType };
    }

    private static void CheckScales(ITensorSource source, WeightPart part, TensorReport report)
    {
        string name = part.Tensor + ScaleSuffix;
        report.Know(name);
        if (!source.TryGet(name, out StoredTensor? scales))
        {
            report.Fault(name, $"missing, but {part.Tensor} is F8_E4M3 and needs it.");
            return;
        }
        if (!scales.Type.IsPlain)
        {
            report.Fault(name, $"is {scales.Type}, expected F32, BF16 or F16.");
            return;
        }
        long[][] shapes = part.Shape switch
        {
            [var rows, _] => [[rows], [rows, 1]],
            [var experts, _, var outputs] => [[experts, outputs], [experts, 1, outputs], [experts, outputs, 1]],
            _ => [],
        };
        if (!Array.Exists(shapes, shape => shape.SequenceEqual(scales.Shape)))
        {
            report.Fault(name, $"has shape {scales.ShapeText}, expected one scale per row, {string.Join(" or ", shapes.Select(shape => $"[{string.Join(", ", shape)}]"))}.");
            return;
        }
        float[] values = TensorValues.Read(source, scales);
        int bad = Array.FindIndex(values, value => !float.IsFinite(value) || value <= 0);
        if (bad >= 0)
        {
            report.Fault(name, $"the scale of row {bad} is {values[bad]}, it must be positive and finite.");
        }
    }
}
