using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>
/// A way of storing a weight's values: plainly, in blocks, as codes with companions that hold scales. The tensors decide which
/// one a weight has, weight by weight.
/// </summary>
internal interface IStoredForm
{
    /// <summary>Whether tensors of this form have the shape of the weight.</summary>
    bool KeepsShape => true;

    /// <summary>Whether the tensor of that name, or companions in its place, are stored in this form.</summary>
    bool Holds(ITensorSource source, string tensor);

    /// <summary>Says which tensors belong to the part, and what is wrong with them. Called once for each tensor of a naming.</summary>
    void Check(ITensorSource source, WeightPart part, Weight weight, TensorReport report);

    /// <summary>The part as a matrix, after <see cref="Check"/> found nothing wrong.</summary>
    /// <exception cref="ModelFormatException">The file was truncated since.</exception>
    MatrixSource Open(ITensorSource source, WeightPart part);
}
