using Llama4Kernels.Engine.Checkpoints.SafeTensors;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>A tensor that a model of some configuration must have.</summary>
/// <param name="Name">Full name, with prefix.</param>
/// <param name="Shape">Extent of each dimension.</param>
/// <param name="IsLinear">A weight that may be FP8 with a scale per output feature; otherwise F32, BF16 or F16 only.</param>
public sealed record ExpectedTensor(string Name, IReadOnlyList<long> Shape, bool IsLinear)
{
    /// <summary>Whether the tensor may have this element type.</summary>
    public bool Allows(SafeTensorsType type) =>
        type is SafeTensorsType.F32 or SafeTensorsType.BF16 or SafeTensorsType.F16 || (IsLinear && type == SafeTensorsType.F8_E4M3);

    /// <summary>
    /// Whether FP8 scales of this shape give one to each output feature: the rows of an [out, in] weight, the columns of a
    /// fused [experts, in, out] one.
    /// </summary>
    public bool AllowsScale(IReadOnlyList<long> shape) => ScaleShapes.Any(allowed => allowed.SequenceEqual(shape));

    /// <summary>The shapes that <see cref="AllowsScale"/> takes, for messages.</summary>
    internal string ScaleShapesText => string.Join(" or ", ScaleShapes.Select(shape => $"[{string.Join(", ", shape)}]"));

    private long[][] ScaleShapes => Shape switch
    {
        [var rows, _] => [[rows], [rows, 1]],
        [var experts, _, var outputs] => [[experts, outputs], [experts, 1, outputs], [experts, outputs, 1]],
        _ => [],
    };

    /// <summary>The shape as "[a, b]".</summary>
    internal string ShapeText => $"[{string.Join(", ", Shape)}]";
}
