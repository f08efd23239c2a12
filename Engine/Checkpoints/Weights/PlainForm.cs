using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>Elements by themselves: float32, bfloat16 and half.</summary>
internal sealed class PlainForm : IStoredForm
{
    /// <inheritdoc/>
    public bool Holds(ITensorSource source, string tensor) => source.TryGet(tensor, out StoredTensor? stored) && stored.Type.IsPlain;

    /// <inheritdoc/>
    public void Check(ITensorSource source, WeightPart part, Weight weight, TensorReport report)
    {
        _ = source.TryGet(part.Tensor, out StoredTensor? stored);
        if (stored!.Strides is not null && stored.Shape.Count > 2)
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
        return part.Transposed
            ? new StridedMatrix(first, type, part.Columns, part.Rows, column, row)
            : new StridedMatrix(first, type, part.Rows, part.Columns, row, column);
    }
}
