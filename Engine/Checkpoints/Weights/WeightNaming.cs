namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>How a family of files names and lays out a model's weights: the one place where its names are spelled.</summary>
internal abstract class WeightNaming
{
    /// <summary>Where a weight lies.</summary>
    public abstract WeightParts Locate(Weight weight);

    /// <summary>Whether a tensor that no weight lies in may be there all the same: tables, statistics.</summary>
    public abstract bool Ignores(string name);

    /// <summary>Whether a tensor belongs to the vision tower, the adapter or the projector.</summary>
    public abstract bool IsVision(string name);

    /// <summary>The tensor as a whole, in the shape that matrices and vectors usually have.</summary>
    protected static WeightPart Plain(string name, Weight weight) =>
        weight.IsVector ? WeightPart.Whole(name, false, weight.Columns) : WeightPart.Whole(name, false, weight.Rows, weight.Columns);

    /// <summary>An error for a role that the files cannot hold.</summary>
    protected static ArgumentOutOfRangeException NoName(Weight weight) => new(nameof(weight), weight.Role, "This family of files has no such weight.");
}
