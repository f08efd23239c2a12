using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// How matrices in a layout are saved: their panels one after another, as they are in memory, zeros up to a multiple of
/// <see cref="PackedShape.Alignment"/>. Each panel depends on its own rows alone, so that a matrix of any size is written in pieces.
/// </summary>
/// <param name="Version">Counts up when the bytes change.</param>
/// <param name="PanelRows">Rows of a panel.</param>
/// <param name="PanelBytes">Bytes of a panel.</param>
/// <param name="Map">A matrix where it lies.</param>
/// <param name="Read">Takes a matrix apart again.</param>
internal sealed unsafe record SavedLayout(int Version, int PanelRows, Func<PackedShape, long> PanelBytes, Func<SavedMatrix, CpuMatrix> Map, SavedLayout.Reader Read)
{
    /// <summary>Reads adjacent elements of a row, of one group where groups share scales: numbers as they are, codes a byte each and counted from 0.</summary>
    /// <returns>The group's scale; 1 without scales.</returns>
    public delegate float Reader(byte* data, PackedShape shape, int row, int column, int width, byte* elements);

    /// <summary>The only format that is saved in it; null for all that products read there.</summary>
    public WeightFormat? Only { get; init; }

    /// <summary>Bytes of a matrix with its padding.</summary>
    public long Bytes(PackedShape shape)
    {
        long panels = ((long)shape.Rows + PanelRows - 1) / PanelRows;
        return (checked(panels * PanelBytes(shape)) + PackedShape.Alignment - 1) & -PackedShape.Alignment;
    }
}
