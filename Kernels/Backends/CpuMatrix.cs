using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Backends;

/// <summary>Stacked matrices widened to float32, row-major [Rows, Columns]: exact, and four bytes per element.</summary>
internal sealed unsafe class CpuMatrix : IMatrix
{
    private readonly CpuMemory _memory;

    /// <summary>Widens <paramref name="stacked"/>, one below the other.</summary>
    /// <exception cref="ArgumentException">No source, or widths differ.</exception>
    public CpuMatrix(ReadOnlySpan<MatrixSource> stacked)
    {
        ShapeCheck.Require(stacked.Length > 0, "There is nothing to pack.", nameof(stacked));
        Columns = stacked[0].Columns;
        foreach (MatrixSource source in stacked)
        {
            if (source.Columns != Columns)
            {
                throw new ArgumentException($"A matrix of {source.Columns} columns cannot be stacked on one of {Columns}.", nameof(stacked));
            }
            Rows = checked(Rows + source.Rows);
        }
        _memory = new CpuMemory((long)Rows * Columns * sizeof(float));
        float* destination = Values;
        foreach (MatrixSource source in stacked)
        {
            for (int row = 0; row < source.Rows; row++)
            {
                float scale = source.RowScales == 0 ? 1f : Read(source.RowScales, source.RowScaleType, row);
                for (int column = 0; column < Columns; column++)
                {
                    *destination++ = scale * Read(source.Data, source.Type, row * source.RowStride + column * source.ColumnStride);
                }
            }
        }
    }

    /// <inheritdoc/>
    public int Rows { get; }

    /// <inheritdoc/>
    public int Columns { get; }

    /// <inheritdoc/>
    public ElementType Format => ElementType.F32;

    /// <inheritdoc/>
    public long Bytes => _memory.Length;

    internal float* Values => (float*)_memory.Address;

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    private static float Read(nint data, ElementType type, long index) => type switch
    {
        ElementType.F32 => ((float*)data)[index],
        ElementType.BF16 => Bf16.ToSingle(((ushort*)data)[index]),
        ElementType.F16 => (float)((Half*)data)[index],
        ElementType.F8E4M3 => FromE4M3(((byte*)data)[index]),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Unknown element type."),
    };

    private static float FromE4M3(byte bits)
    {
        int exponent = (bits >> 3) & 15;
        int mantissa = bits & 7;
        float magnitude = (bits & 0x7f) == 0x7f ? float.NaN
            : exponent == 0 ? MathF.ScaleB(mantissa, -9)
            : MathF.ScaleB(8 + mantissa, exponent - 10);
        return (bits & 0x80) != 0 ? -magnitude : magnitude;
    }
}
