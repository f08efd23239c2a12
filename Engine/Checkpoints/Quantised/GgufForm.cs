using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Quantization.Gguf;

namespace Llama4Kernels.Engine.Checkpoints.Quantised;

/// <summary>Blocks of GGUF. Any matrix may be stored in them; rows are whole blocks.</summary>
internal sealed class GgufForm : IStoredForm
{
    /// <inheritdoc/>
    public bool Holds(ITensorSource source, string tensor) => source.TryGet(tensor, out StoredTensor? stored) && GgufBlockType.Find(stored.Type.Name) is not null;

    /// <inheritdoc/>
    public void Check(ITensorSource source, WeightPart part, Weight weight, TensorReport report)
    {
        _ = source.TryGet(part.Tensor, out StoredTensor? stored);
        if (weight.IsVector)
        {
            report.Fault(part.Tensor, $"is {stored!.Type}, expected F32, BF16 or F16.");
        }
        else if (part.RowElements % stored!.Type.BlockElements != 0)
        {
            report.Fault(part.Tensor, $"is {stored.Type}, whose blocks of {stored.Type.BlockElements} do not fill rows of {part.RowElements}.");
        }
    }

    /// <inheritdoc/>
    public MatrixSource Open(ITensorSource source, WeightPart part)
    {
        _ = source.TryGet(part.Tensor, out StoredTensor? stored);
        GgufBlockType type = GgufBlockType.Find(stored!.Type.Name)!;
        long rowBytes = part.RowElements / type.Columns * type.Bytes;
        return new GgufMatrix(source.Address(stored) + (nint)(part.FirstRow * rowBytes), type, part.Rows, part.Columns);
    }
}
