using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>A matrix [out, in] stored as codes with scales, which can be taken apart a piece of a row at a time.</summary>
/// <param name="Rows">Output features.</param>
/// <param name="Columns">Input features.</param>
/// <param name="Codes">What is stored.</param>
public abstract unsafe record CodedMatrix(int Rows, int Columns, WeightFormat Codes) : MatrixSource(Rows, Columns)
{
    /// <inheritdoc/>
    public override ElementType? PlainType => null;

    /// <summary>What it is kept as: the same, but symmetric groups of 128 of four bits are the engine's own, whose scales are float32.</summary>
    public override WeightFormat? Format => IsInt4 ? WeightFormat.Int4 : Codes;

    /// <summary>Whether codes and groups are those of <see cref="WeightFormat.Int4"/>.</summary>
    public bool IsInt4 => Codes is { Encoding: WeightEncoding.Integer, Bits: 4, GroupColumns: 128, Offset: OffsetKind.None } && WeightFormat.Int4.WhyNot(Columns) is null;

    /// <summary>Takes a piece of a row apart; its first scale is that of the first column's group.</summary>
    internal abstract void ReadCodes(int row, CodePiece piece, CodeRow to);

    /// <summary>Whether <see cref="ReadLines"/> takes pieces apart.</summary>
    internal virtual bool HasLines => false;

    /// <summary>
    /// As <see cref="ReadCodes"/>, with words in the order of <see cref="CodeLines"/> where the codes would be: the same as those packed,
    /// without the bytes between.
    /// </summary>
    internal virtual void ReadLines(int row, CodePiece piece, CodeRow to) =>
        throw new NotSupportedException($"{Codes.Name} is packed from codes.");

    /// <summary>
    /// Asks for the bytes of a row that the next piece has. Packing takes a piece of each of 32 rows in turn: between two visits to a
    /// row there is time to bring its next lines in, which no processor expects by itself.
    /// </summary>
    /// <param name="next">The first byte; may lie beyond the end.</param>
    /// <param name="bytes">How many.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private protected static void Expect(byte* next, int bytes)
    {
        if (Sse.IsSupported)
        {
            for (int i = 0; i < bytes; i += 64)
            {
                Sse.Prefetch0(next + i);
            }
        }
    }

    /// <inheritdoc/>
    internal override void Copy(int row, int column, int width, byte* elements) =>
        throw new NotSupportedException($"{Codes.Name} has no elements of their own.");

    /// <inheritdoc/>
    internal sealed override void Read(int row, int column, int width, float* values)
    {
        byte* memory = stackalloc byte[CodePiece.CodeBytes + CodePiece.NumberBytes];
        CodeRow codes = CodePiece.Row(memory, memory + CodePiece.CodeBytes);
        int group = Codes.Group(Columns), end = column + width;
        while (column < end)
        {
            CodePiece piece = CodePiece.Containing(Codes, Columns, column);
            ReadCodes(row, piece, codes);
            for (int stop = Math.Min(end, piece.End); column < stop;)
            {
                int own = column / group;
                (float scale, float offset) = codes.Parameters(Codes, own - piece.First / group);
                for (int last = Math.Min(stop, (own + 1) * group); column < last; column++)
                {
                    *values++ = Codes.Weight(Codes.Value(codes.Codes[column - piece.First]), scale, offset);
                }
            }
        }
    }
}
