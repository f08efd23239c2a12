using System.Runtime.CompilerServices;

namespace Llama4Kernels.Kernels.Quantization.Gguf;

/// <summary>Rows of blocks of a GGUF file, without gaps.</summary>
/// <param name="Data">The first block; no alignment is assumed.</param>
/// <param name="Type">The blocks' type.</param>
/// <param name="Rows">Output features.</param>
/// <param name="Columns">Input features, whole blocks.</param>
public sealed unsafe record GgufMatrix(nint Data, GgufBlockType Type, int Rows, int Columns) : CodedMatrix(Rows, Columns, Type.Format)
{
    /// <inheritdoc/>
    public override IEnumerable<(nint Address, long Bytes)> Extents => [(Data, Rows * RowBytes)];

    /// <inheritdoc/>
    internal override bool HasLines => Type.ReadLines is not null;

    private long RowBytes { get; } = (long)(Columns / Type.Columns) * Type.Bytes;

    /// <inheritdoc/>
    internal override void Check()
    {
        if (Data == 0 || Columns % Type.Columns != 0)
        {
            throw new ArgumentException($"{Type.Name} has blocks of {Type.Columns} columns, and a matrix [{Rows}, {Columns}] needs memory.");
        }
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal override void ReadCodes(int row, CodePiece piece, CodeRow to) => Read(row, piece, to, Type.Read);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal override void ReadLines(int row, CodePiece piece, CodeRow to) => Read(row, piece, to, Type.ReadLines!);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Read(int row, CodePiece piece, CodeRow to, GgufBlockReader read)
    {
        byte* block = (byte*)Data + row * RowBytes + (long)(piece.First / Type.Columns) * Type.Bytes;
        int count = piece.Count / Type.Columns;
        Expect(block + count * Type.Bytes, count * Type.Bytes);
        read(block, count, to);
    }
}
