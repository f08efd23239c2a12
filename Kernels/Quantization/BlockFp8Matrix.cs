using System.Runtime.CompilerServices;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Rows of E4M3 codes with a scale for each block of rows and columns.</summary>
/// <param name="Data">The first code.</param>
/// <param name="Rows">Output features.</param>
/// <param name="Columns">Input features.</param>
/// <param name="Codes">Whose groups are a block's columns.</param>
/// <param name="Scales">A number for each block.</param>
public sealed unsafe record BlockFp8Matrix(nint Data, int Rows, int Columns, WeightFormat Codes, GroupNumbers Scales) : CodedMatrix(Rows, Columns, Codes)
{
    /// <inheritdoc/>
    public override IEnumerable<(nint Address, long Bytes)> Extents => [(Data, (long)Rows * Columns), Scales.Extent(Rows, Codes.ScalesPerRow(Columns))];

    /// <inheritdoc/>
    internal override void Check()
    {
        if (Data == 0 || Scales.Data == 0)
        {
            throw new ArgumentException($"A matrix {Codes.Name} [{Rows}, {Columns}] needs codes and scales.");
        }
    }

    /// <inheritdoc/>
    internal override void ReadCodes(int row, CodePiece piece, CodeRow to)
    {
        byte* from = (byte*)Data + (long)row * Columns + piece.First;
        Expect(from + piece.Count, piece.Count);
        Unsafe.CopyBlockUnaligned(to.Codes, from, (uint)piece.Count);
        int group = Codes.Group(Columns), first = piece.First / group;
        Scales.Copy(row, first, (piece.End - 1) / group + 1 - first, to.Scales);
    }
}
