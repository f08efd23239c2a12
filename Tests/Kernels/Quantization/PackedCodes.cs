using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>Codes and scales of a packed matrix by row and column, from the documented panels.</summary>
internal static unsafe class PackedCodes
{
    /// <summary>A byte, or of four bits a number from −8 to 7.</summary>
    public static int Code(this PackedMatrix w, int row, int column)
    {
        byte* codes = Block(w, row, column, out int local) + 32 * sizeof(float);
        return w.Format == WeightFormat.Int4 ? (sbyte)(codes[local / 2 * 32 + row % 32] << (local % 2 == 0 ? 4 : 0)) >> 4 : codes[local * 32 + row % 32];
    }

    public static float Scale(this PackedMatrix w, int row, int column) => ((float*)Block(w, row, column, out _))[row % 32];

    private static byte* Block(PackedMatrix w, int row, int column, out int local)
    {
        int group = w.Format.GroupColumns == 0 ? w.Columns : w.Format.GroupColumns;
        local = column % group;
        int blockBytes = 32 * sizeof(float) + 32 * group * w.Format.Bits / 8;
        return w.Panel(row / 32) + (long)column / group * blockBytes;
    }
}
