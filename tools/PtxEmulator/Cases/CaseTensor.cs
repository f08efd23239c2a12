namespace Llama4Kernels.PtxEmulator.Cases;

/// <summary>A tensor of a case.</summary>
/// <param name="Name">Its name: in.X, out.X or init.X.</param>
/// <param name="Element">Element type.</param>
/// <param name="Shape">Extent of each dimension; empty for a scalar.</param>
/// <param name="Data">The elements, little-endian and row-major.</param>
public sealed record CaseTensor(string Name, CaseElement Element, IReadOnlyList<long> Shape, ReadOnlyMemory<byte> Data)
{
    internal long Elements => Data.Length / Element.Bytes();

    internal string Kind => $"{Element} [{string.Join(", ", Shape)}]";

    /// <summary>Whether the data has the size of the shape.</summary>
    internal bool IsWhole => Shape.Aggregate((Int128)Element.Bytes(), (bytes, extent) => bytes * extent) == Data.Length;

    internal bool HasKindOf(CaseTensor other) => Element == other.Element && Shape.SequenceEqual(other.Shape);

    /// <summary>Where an element stands: its number, and its coordinates if there are several dimensions.</summary>
    internal string Position(long index)
    {
        if (Shape.Count < 2)
        {
            return $"[{index}]";
        }
        long[] coordinates = new long[Shape.Count];
        for (int axis = Shape.Count - 1; axis >= 0; axis--)
        {
            (index, coordinates[axis]) = Math.DivRem(index, Shape[axis]);
        }
        return $"[{string.Join(", ", coordinates)}]";
    }
}
