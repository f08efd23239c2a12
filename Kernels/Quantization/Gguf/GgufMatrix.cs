namespace Llama4Kernels.Kernels.Quantization.Gguf;

/// <summary>A matrix of a GGUF file: rows of blocks, without gaps.</summary>
internal sealed unsafe class GgufMatrix : CodedMatrix
{
    private readonly GgufBlockType _type;
    private readonly byte* _data;

    /// <param name="data">The first block.</param>
    /// <param name="type">The blocks' type.</param>
    /// <param name="rows">Output features.</param>
    /// <param name="columns">Input features, a multiple of a block's.</param>
    public GgufMatrix(nint data, GgufBlockType type, int rows, int columns)
        : base(rows, columns, type.Format)
    {
        if (columns % type.Columns != 0)
        {
            throw new ArgumentException($"{type.Name} has blocks of {type.Columns}; rows of {columns} are no multiple.", nameof(columns));
        }
        _type = type;
        _data = (byte*)data;
    }

    /// <inheritdoc/>
    public override void ReadCodes(int row, CodePiece piece, CodeRow to)
    {
        byte* block = _data + ((long)row * (Columns / _type.Columns) + piece.First / _type.Columns) * _type.Bytes;
        for (int column = 0; column < piece.Count; column += _type.Columns, block += _type.Bytes)
        {
            _type.Read(block, to);
            to = to.Skip(Format, _type.Columns, _type.Columns / Format.GroupColumns);
        }
    }
}
