using Llama4Kernels.Engine.Checkpoints.SafeTensors;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>A tensor that a model of some configuration must have.</summary>
/// <param name="Name">Full name, with prefix.</param>
/// <param name="Shape">Extent of each dimension.</param>
/// <param name="IsLinear">A weight that may be FP8 with a scale per row; otherwise F32, BF16 or F16 only.</param>
public sealed record ExpectedTensor(string Name, IReadOnlyList<long> Shape, bool IsLinear)
{
    /// <summary>Whether the tensor may have this element type.</summary>
    public bool Allows(SafeTensorsType type) =>
        type is SafeTensorsType.F32 or SafeTensorsType.BF16 or SafeTensorsType.F16 || (IsLinear && type == SafeTensorsType.F8_E4M3);

    /// <summary>The shape as "[a, b]".</summary>
    internal string ShapeText => $"[{string.Join(", ", Shape)}]";
}
