using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>How a matrix lies in the host's memory.</summary>
/// <param name="Name">Its name in reports.</param>
/// <param name="Pack">Packs matrices of equal width into one.</param>
internal sealed record CpuLayout(string Name, CpuLayout.Packer Pack) : WeightLayout(Name)
{
    public delegate IMatrix Packer(MatrixSource[] stacked, WeightFormat format, ThreadTeam team);

    /// <summary>How matrices in it are saved; null for a layout of nothing but codes that other tools store, which their files hold already.</summary>
    public SavedLayout? Saved { get; init; }

    /// <summary>How those of a format are; null for such codes.</summary>
    public SavedLayout? SavedAs(WeightFormat format) => Saved is { } saved && (saved.Only is null || saved.Only == format) ? saved : null;

    /// <summary><see cref="PackedMatrix"/>: numbers, and codes that the engine makes.</summary>
    public static CpuLayout Panels { get; } = new(PackedMatrix.LayoutName, (stacked, format, team) => PackedMatrix.Pack(stacked, format, team)) { Saved = PackedMatrix.Saved };

    /// <summary><see cref="Int4Panels"/>: codes of four bits for products of integers.</summary>
    public static CpuLayout IntegerPanels { get; } = new(Int4Panels.LayoutName, (stacked, _, team) => Int4Panels.Pack(stacked, team)) { Saved = Int4Panels.Saved };

    /// <summary><see cref="Int8Panels"/>: codes of eight bits for products of integers.</summary>
    public static CpuLayout BytePanels { get; } = new(Int8Panels.LayoutName, (stacked, _, team) => Int8Panels.Pack(Coded(stacked), team)) { Saved = Int8Panels.Saved };

    /// <summary><see cref="AffineMatrix"/>: codes as other tools store them, in an order for products of numbers.</summary>
    public static CpuLayout Slabs { get; } = new("slabs32", (stacked, _, team) => AffineMatrix.Pack(Coded(stacked), CodeOrder.Words, team)) { Saved = AffineMatrix.Saved };

    /// <summary><see cref="AffineMatrix"/>: the same in an order for products of integers.</summary>
    public static CpuLayout Lines { get; } = new("lines32", (stacked, _, team) => AffineMatrix.Pack(Coded(stacked), CodeOrder.Lines, team));

    private static CodedMatrix[] Coded(MatrixSource[] stacked) => Array.ConvertAll(stacked, source => (CodedMatrix)source);
}
