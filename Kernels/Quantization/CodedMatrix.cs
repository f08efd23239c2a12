namespace Llama4Kernels.Kernels.Quantization;

/// <summary>A matrix [out, in] stored as codes with scales, which can be taken apart a piece of a row at a time.</summary>
internal abstract unsafe class CodedMatrix(int rows, int columns, CodeFormat format)
{
    /// <summary>Output features.</summary>
    public int Rows => rows;

    /// <summary>Input features.</summary>
    public int Columns => columns;

    /// <summary>The format that keeps the matrix as it is.</summary>
    public CodeFormat Format => format;

    /// <summary>Takes a piece of a row apart; its first scale is that of the first column's group.</summary>
    public abstract void ReadCodes(int row, CodePiece piece, CodeRow to);

    /// <summary>Writes elements (row, column) … (row, column + width − 1) as float32.</summary>
    public void Read(int row, int column, int width, float* values)
    {
        byte* memory = stackalloc byte[CodePiece.MemoryBytes];
        CodeRow codes = CodePiece.Memory(memory);
        int group = format.Group(columns), end = column + width;
        while (column < end)
        {
            CodePiece piece = CodePiece.Containing(format, columns, column);
            ReadCodes(row, piece, codes);
            for (int stop = Math.Min(end, piece.End); column < stop;)
            {
                int own = column / group;
                (float scale, float offset) = codes.Parameters(format, own - piece.First / group);
                for (int last = Math.Min(stop, (own + 1) * group); column < last; column++)
                {
                    *values++ = format.Weight(format.Value(codes.Codes[column - piece.First]), scale, offset);
                }
            }
        }
    }
}
