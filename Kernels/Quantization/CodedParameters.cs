using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Scales and offsets of the runs of some spans of a panel as float32: 32 scales of a run, then 32 offsets if there are any (<see cref="CodedSpan.RunFloats"/>).</summary>
internal static unsafe class CodedParameters
{
    private const int Rows = AffineLayout.PanelRows;

    /// <summary>Fills the scales of columns from <paramref name="first"/>, where a slab begins, up to <paramref name="end"/>; runs beyond the matrix have none and become zero.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Read(in AffineLayout layout, in CodedSpan span, byte* panel, int first, int end, float* to)
    {
        float* supers = stackalloc float[2 * Rows];
        int runFloats = span.RunFloats;
        if (span.IsRow)
        {
            Read(layout, panel, 0, supers, to);
            return;
        }
        byte* slab = panel + (long)(first / layout.Slab) * layout.SlabBytes;
        for (int column = first; column < end; column += layout.Slab, slab += layout.SlabBytes)
        {
            if (column >= layout.Columns)
            {
                new Span<float>(to, (end - column) / layout.Group * runFloats).Clear();
                return;
            }
            AffineParameters.ReadSupers(layout, slab, supers);
            int groups = layout.Slab / layout.Group;
            for (int group = 0; group < groups; group++, to += runFloats)
            {
                Read(layout, slab, group, supers, to);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Read(in AffineLayout layout, byte* slab, int group, float* supers, float* to)
    {
        AffineParameters.Read(layout, slab, group, supers, to, to + Rows);
        if (layout.Offset == OffsetKind.Zero)
        {
            // (u − z)·s as s·u + β.
            for (int lane = 0; lane < Rows; lane += Vector512<float>.Count)
            {
                (-Vector512.Load(to + Rows + lane) * Vector512.Load(to + lane)).Store(to + Rows + lane);
            }
        }
        else if (layout.Offset == OffsetKind.TwoLevel && group % 2 == 0)
        {
            AffineParameters.ReadPairs(layout, slab, group, (uint*)to + Rows);
        }
        else if (layout.Offset == OffsetKind.TwoLevel)
        {
            new ReadOnlySpan<float>(supers + Rows, Rows).CopyTo(new Span<float>(to + Rows, Rows));
        }
    }
}
