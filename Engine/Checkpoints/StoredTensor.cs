using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>A tensor of a model's files, already checked to lie inside its file.</summary>
/// <param name="Name">Its name, unique in the source.</param>
/// <param name="Type">How its elements lie.</param>
/// <param name="Shape">Extent of each dimension, outermost first; empty for a scalar.</param>
/// <param name="File">The file.</param>
/// <param name="Offset">First byte of the first element, from the start of the file.</param>
/// <param name="Bytes">Bytes from there to the end of the last element.</param>
internal sealed record StoredTensor(string Name, StoredType Type, IReadOnlyList<long> Shape, string File, long Offset, long Bytes)
{
    /// <summary>Elements between neighbours of each dimension; null if the tensor is row-major without gaps.</summary>
    public IReadOnlyList<long>? Strides { get; init; }

    /// <summary>How it lies if it is a matrix that was saved packed (<see cref="Saved.SavedHeader"/>), whose shape this tensor then has; otherwise null.</summary>
    internal PackedShape? Packed { get; init; }

    /// <summary>Number of elements.</summary>
    public long Elements => Shape.Aggregate(1L, (product, extent) => product * extent);

    /// <summary>The shape as "[a, b]".</summary>
    internal string ShapeText => $"[{string.Join(", ", Shape)}]";

    /// <inheritdoc/>
    public override string ToString() => $"{Name} {Type} {ShapeText}";
}
