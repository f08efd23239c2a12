namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>
/// A rectangle of a stored tensor that holds a weight or a part of it. The tensor counts as a matrix of
/// <see cref="RowElements"/> columns.
/// </summary>
/// <param name="Tensor">The tensor's name.</param>
/// <param name="Shape">The shape that the tensor must have, outermost first.</param>
/// <param name="FirstRow">First row of the rectangle.</param>
/// <param name="Rows">Number of rows.</param>
/// <param name="FirstColumn">First column of the rectangle.</param>
/// <param name="Columns">Number of columns.</param>
/// <param name="Transposed">Whether the rectangle is [in, out] and not [out, in].</param>
internal sealed record WeightPart(string Tensor, long[] Shape, long FirstRow, int Rows, long FirstColumn, int Columns, bool Transposed = false)
{
    /// <summary>Elements of a row of the tensor as a matrix: the last dimension, unless several count as one.</summary>
    public long RowElements { get; init; } = Shape[^1];

    /// <summary>The whole of a tensor of at most two dimensions.</summary>
    public static WeightPart Whole(string tensor, bool transposed, params long[] shape) =>
        new(tensor, shape, 0, shape.Length == 1 ? 1 : checked((int)shape[0]), 0, checked((int)shape[^1]), transposed);

    /// <summary>The rows [first, first + count) of it.</summary>
    public WeightPart Slice(long first, int count) => this with { FirstRow = FirstRow + first, Rows = count };
}

/// <summary>A weight's parts and how they join.</summary>
/// <param name="Parts">In order; at least one.</param>
/// <param name="BesideEachOther">Whether they join along the input features (columns) and not along the output features (rows).</param>
internal sealed record WeightParts(IReadOnlyList<WeightPart> Parts, bool BesideEachOther = false)
{
    /// <summary>Tensors that hold the same as the one part once more.</summary>
    public IReadOnlyList<string> Copies { get; init; } = [];

    /// <summary>A weight of one part.</summary>
    public static implicit operator WeightParts(WeightPart part) => new([part]);
}
