using System.Runtime.CompilerServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// What belongs to a weight format on every backend: how numbers become codes. One row of <see cref="All"/> per format; the
/// loops over rows and groups stand once, below, whatever the format and the layout.
/// </summary>
/// <param name="Format">The format.</param>
/// <param name="Scale">The scale of a group (or row) whose largest magnitude is given; null for formats without scales.</param>
/// <param name="Encode">Numbers of a group to codes.</param>
internal sealed unsafe record WeightCodec(WeightFormat Format, Func<float, float>? Scale, WeightCodec.Encoder Encode)
{
    // Numbers at a time where a row has one scale or none: they lie on the stack.
    private const int Piece = 128;

    /// <summary>The codecs, in the order of <see cref="WeightFormat.All"/>.</summary>
    public static readonly WeightCodec[] All =
    [
        new(WeightFormat.F32, null, WeightEncoders.F32),
        new(WeightFormat.BF16, null, WeightEncoders.BF16),
        new(WeightFormat.F16, null, WeightEncoders.F16),
        new(WeightFormat.Fp8, Quantiser.Fp8Scale, WeightEncoders.Fp8),
        new(WeightFormat.Fp8Activations, Quantiser.Fp8Scale, WeightEncoders.Fp8),
        new(WeightFormat.Int4, Quantiser.Int4Scale, WeightEncoders.Int4),
    ];

    /// <summary>Numbers to codes.</summary>
    public delegate void Encoder(float* values, int count, float scale, byte* codes);

    /// <summary>The codec of a format.</summary>
    /// <exception cref="NotSupportedException">There is none.</exception>
    public static WeightCodec Of(WeightFormat format)
    {
        foreach (WeightCodec codec in All)
        {
            if (codec.Format == format)
            {
                return codec;
            }
        }
        throw new NotSupportedException($"There is no codec for {format} weights.");
    }

    /// <summary>Whether a matrix of codes is stored in the format, so that they are kept.</summary>
    public static bool Keeps(WeightFormat format, MatrixSource source) =>
        source is CodedMatrix or SavedMatrix && source.Format is { Scale: not ScaleKind.None } stored && format.HasCodesOf(stored);

    /// <summary>Writes a source's row in this format: codes that are stored in it are kept, all else is quantised.</summary>
    public void Write(MatrixSource source, int row, in RowTarget to)
    {
        // A stack of stored codes is stored codes.
        while (source is RowStack stack)
        {
            source = stack.Find(ref row);
        }
        if (source is StridedMatrix { Format: WeightFormat stored } codes && Format.HasCodesOf(stored))
        {
            Keep(codes, row, to);
        }
        else if (source is SavedMatrix saved && Format.HasCodesOf(saved.Shape.Format))
        {
            Keep(saved, row, to);
        }
        else if (source is CodedMatrix integers && integers.Format == Format)
        {
            Keep(integers, row, to);
        }
        else if (Format.GroupColumns > 0)
        {
            float* values = stackalloc float[Format.GroupColumns];
            for (int group = 0, first = 0; first < source.Columns; group++, first += Format.GroupColumns)
            {
                source.Read(row, first, Format.GroupColumns, values);
                float scale = Scale!(Quantiser.MaxAbsolute(new ReadOnlySpan<float>(values, Format.GroupColumns)));
                *to.Scale(group) = scale;
                Encode(values, Format.GroupColumns, scale, to.Codes(group));
            }
        }
        else
        {
            Row(source, row, to);
        }
    }

    /// <summary>A row with one scale or none, in pieces, so that one of any length needs no memory: its maximum, then its codes.</summary>
    private void Row(MatrixSource source, int row, in RowTarget to)
    {
        float* values = stackalloc float[Piece];
        float scale = 1;
        if (Scale is not null)
        {
            float largest = 0;
            for (int c = 0; c < source.Columns; c += Piece)
            {
                int width = Math.Min(Piece, source.Columns - c);
                source.Read(row, c, width, values);
                largest = MathF.Max(largest, Quantiser.MaxAbsolute(new ReadOnlySpan<float>(values, width)));
            }
            scale = Scale(largest);
            *to.Scale(0) = scale;
        }
        for (int c = 0; c < source.Columns; c += Piece)
        {
            int width = Math.Min(Piece, source.Columns - c);
            source.Read(row, c, width, values);
            Encode(values, width, scale, to.Codes(0) + (long)c * Format.Bits / 8);
        }
    }

    /// <summary>Codes that count from 0 become signed, and scales float32; nothing else changes.</summary>
    private void Keep(CodedMatrix source, int row, in RowTarget to)
    {
        byte* memory = stackalloc byte[CodePiece.CodeBytes + CodePiece.NumberBytes];
        CodeRow codes = CodePiece.Row(memory, memory + CodePiece.CodeBytes);
        for (int first = 0; first < source.Columns; first += Format.GroupColumns)
        {
            int group = first / Format.GroupColumns;
            CodePiece piece = CodePiece.Containing(source.Codes, source.Columns, first);
            int skip = first - piece.First;
            if (skip == 0)
            {
                source.ReadCodes(row, piece, codes);
            }
            *to.Scale(group) = codes.Parameters(source.Codes, skip / Format.GroupColumns).Scale;
            for (int c = 0; c < Format.GroupColumns; c += 2)
            {
                byte* pair = codes.Codes + skip + c;
                to.Codes(group)[c / 2] = (byte)((pair[0] | pair[1] << 4) ^ 0x88);
            }
        }
    }

    private void Keep(SavedMatrix source, int row, in RowTarget to)
    {
        int size = Math.Max(1, Format.Bits / 8), group = Format.GroupColumns == 0 ? source.Columns : Format.GroupColumns;
        // Counted codes become signed ones: the sign is the highest bit turned over.
        int sign = Scale is not null && Format.Value(0) < 0 ? 1 << (Format.Bits - 1) : 0;
        byte* elements = stackalloc byte[Piece * sizeof(float)];
        for (int column = 0, width; column < source.Columns; column += width)
        {
            int index = column / group, offset = column % group;
            width = Math.Min(Piece, Math.Min(group - offset, source.Columns - column));
            float scale = source.ReadElements(row, column, width, elements);
            if (Scale is not null)
            {
                *to.Scale(index) = scale;
            }
            byte* target = to.Codes(index) + (long)offset * Format.Bits / 8;
            for (int c = 0; c < width; c += Format.CodesPerByte, target += size)
            {
                if (Format.CodesPerByte == 1)
                {
                    Unsafe.CopyBlockUnaligned(target, elements + c * size, (uint)size);
                    target[0] ^= (byte)sign;
                    continue;
                }
                *target = (byte)((elements[c] ^ sign) | (elements[c + 1] ^ sign) << 4);
            }
        }
    }

    private void Keep(StridedMatrix source, int row, in RowTarget to)
    {
        if (Scale is not null)
        {
            *to.Scale(0) = source.Scale(row);
        }
        int size = Format.Bits / 8;
        byte* codes = to.Codes(0);
        if (source.ColumnStride == 1)
        {
            Buffer.MemoryCopy(source.Element(row, 0), codes, source.Columns * (long)size, source.Columns * (long)size);
            return;
        }
        for (int c = 0; c < source.Columns; c++)
        {
            Unsafe.CopyBlockUnaligned(codes + (long)c * size, source.Element(row, c), (uint)size);
        }
    }
}
