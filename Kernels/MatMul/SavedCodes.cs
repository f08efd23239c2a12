using System.Runtime.CompilerServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>A saved matrix of codes in a form that files have, taken apart as theirs are.</summary>
internal sealed unsafe record SavedCodes(SavedMatrix Saved) : CodedMatrix(Saved.Rows, Saved.Columns, Saved.Shape.Format)
{
    /// <inheritdoc/>
    public override IEnumerable<(nint Address, long Bytes)> Extents => Saved.Extents;

    /// <inheritdoc/>
    internal override SavedCodes Slice(int first, int rows) => new(Saved.Part(first, rows));

    /// <inheritdoc/>
    internal override MatrixSource? TryJoin(MatrixSource below) =>
        below is SavedCodes next && Saved.TryJoin(next.Saved) is SavedMatrix joined ? new SavedCodes(joined) : null;

    /// <inheritdoc/>
    internal override void ReadCodes(int row, CodePiece piece, CodeRow to)
    {
        int group = Codes.Group(Columns);
        for (int index = 0, column = piece.First, count; column < piece.End; index++, column += count)
        {
            count = Math.Min(piece.End, (column / group + 1) * group) - column;
            float scale = Saved.ReadElements(row, column, count, to.Codes + (column - piece.First));
            byte* at = to.Scales + index * Codes.GroupScaleBytes;
            switch (Codes.Scale)
            {
                case ScaleKind.F16:
                    Unsafe.WriteUnaligned(at, (Half)scale);
                    break;
                case ScaleKind.BF16:
                    Unsafe.WriteUnaligned(at, Bf16.FromSingle(scale));
                    break;
                default:
                    Unsafe.WriteUnaligned(at, scale);
                    break;
            }
        }
    }

    /// <inheritdoc/>
    internal override void Check() => Saved.Check();
}
