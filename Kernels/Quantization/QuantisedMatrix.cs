using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Numbers that become codes of eight bits with a half as scale for each 32 columns (<see cref="KeptFormats.Int8"/>) while they are
/// read: backends pack and multiply them as they do codes that are stored so.
/// </summary>
public sealed unsafe record QuantisedMatrix : CodedMatrix
{
    private readonly MatrixSource _numbers;

    /// <param name="numbers">What is quantised.</param>
    /// <exception cref="ArgumentException">Its width is no multiple of 32.</exception>
    public QuantisedMatrix(MatrixSource numbers)
        : base(numbers.Rows, numbers.Columns, KeptFormats.Int8)
    {
        _numbers = numbers;
        if (Codes.WhyNot(Columns) is string reason)
        {
            throw new ArgumentException(reason, nameof(numbers));
        }
    }

    /// <summary>What is quantised.</summary>
    internal MatrixSource Numbers => _numbers;

    /// <inheritdoc/>
    public override IEnumerable<(nint Address, long Bytes)> Extents => _numbers.Extents;

    /// <inheritdoc/>
    public override long StoredBytes => _numbers.StoredBytes;

    /// <inheritdoc/>
    internal override QuantisedMatrix Slice(int first, int rows) => new(_numbers.Slice(first, rows));

    /// <inheritdoc/>
    internal override void Check() => _numbers.Check();

    /// <inheritdoc/>
    internal override void ReadCodes(int row, CodePiece piece, CodeRow to)
    {
        float* values = stackalloc float[CodePiece.MaxColumns];
        _numbers.Read(row, piece.First, piece.Count, values);
        for (int group = 0, first = 0; first < piece.Count; group++, first += Quantiser.Int8Columns)
        {
            ((ushort*)to.Scales)[group] = Quantiser.Int8(values + first, to.Codes + first);
        }
    }
}
