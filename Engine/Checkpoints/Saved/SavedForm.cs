using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Engine.Checkpoints.Saved;

/// <summary>Matrices that were saved packed; what their headers say was checked when the file was opened.</summary>
internal sealed class SavedForm : IStoredForm
{
    /// <inheritdoc/>
    public bool Holds(ITensorSource source, string tensor) => source.TryGet(tensor, out StoredTensor? stored) && stored.Packed is not null;

    /// <inheritdoc/>
    public void Check(ITensorSource source, WeightPart part, Weight weight, TensorReport report)
    {
        if (!WeightStacks.IsPacked(weight))
        {
            report.Fault(part.Tensor, "is packed, but only matrices that inputs are multiplied with may be.");
        }
    }

    /// <inheritdoc/>
    public MatrixSource Open(ITensorSource source, WeightPart part)
    {
        _ = source.TryGet(part.Tensor, out StoredTensor? stored);
        return new SavedMatrix(stored!.Packed!, source.Address(stored), source.Memory(stored)).Part(checked((int)part.FirstRow), part.Rows).AsSource();
    }
}
