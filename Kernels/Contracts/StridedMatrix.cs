using System.Runtime.CompilerServices;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// A matrix whose element (r, c) is at <c>Data + (r·RowStride + c·ColumnStride)·size</c>, so an [in, out] tensor is the same
/// matrix with the strides swapped. No alignment beyond one byte is assumed.
/// </summary>
/// <param name="Data">Address of element (0, 0).</param>
/// <param name="Type">Element type.</param>
/// <param name="Rows">Output features.</param>
/// <param name="Columns">Input features.</param>
/// <param name="RowStride">Elements between rows.</param>
/// <param name="ColumnStride">Elements between columns.</param>
/// <param name="RowScales">For FP8: address of one dequantisation multiplier per row; otherwise 0.</param>
/// <param name="RowScaleType">Element type of the scales.</param>
public sealed unsafe record StridedMatrix(
    nint Data, ElementType Type, int Rows, int Columns, long RowStride, long ColumnStride,
    nint RowScales = 0, ElementType RowScaleType = ElementType.F32) : MatrixSource(Rows, Columns)
{
    /// <summary>Elements between the scales of rows: 0 where all rows share one.</summary>
    public long RowScaleStride { get; init; } = 1;

    /// <inheritdoc/>
    public override ElementType? PlainType => RowScales == 0 && Type != ElementType.F8E4M3 ? Type : null;

    /// <inheritdoc/>
    public override WeightFormat? Format => WeightFormat.Of(Type);

    /// <inheritdoc/>
    public override IEnumerable<(nint Address, long Bytes)> Extents
    {
        get
        {
            yield return (Data, ((Rows - 1) * RowStride + (Columns - 1) * ColumnStride + 1) * Type.Size());
            if (RowScales != 0)
            {
                yield return (RowScales, ((Rows - 1) * RowScaleStride + 1) * RowScaleType.Size());
            }
        }
    }

    /// <inheritdoc/>
    public override long StoredBytes => (long)Rows * Columns * Type.Size() + (RowScales == 0 ? 0 : (long)Rows * RowScaleType.Size());

    /// <summary>The dequantisation multiplier of a row; 1 without scales.</summary>
    internal float Scale(int row)
    {
        float scale = 1;
        if (RowScales != 0)
        {
            Decode(RowScaleType, (byte*)RowScales + row * RowScaleStride * RowScaleType.Size(), 1, &scale);
        }
        return scale;
    }

    /// <summary>Address of an element.</summary>
    internal byte* Element(int row, int column) =>
        (byte*)Data + (row * RowStride + column * ColumnStride) * Type.Size();

    /// <inheritdoc/>
    internal override void Read(int row, int column, int width, float* values)
    {
        byte* from = Element(row, column);
        if (ColumnStride == 1)
        {
            Decode(Type, from, width, values);
        }
        else
        {
            long step = ColumnStride * Type.Size();
            for (int c = 0; c < width; c++)
            {
                Decode(Type, from + c * step, 1, values + c);
            }
        }
        if (RowScales != 0)
        {
            float scale = Scale(row);
            for (int c = 0; c < width; c++)
            {
                values[c] *= scale;
            }
        }
    }

    /// <inheritdoc/>
    internal override void Copy(int row, int column, int width, byte* elements)
    {
        byte* from = Element(row, column);
        int size = Type.Size();
        if (ColumnStride == 1)
        {
            Buffer.MemoryCopy(from, elements, (long)width * size, (long)width * size);
            return;
        }
        long step = ColumnStride * size;
        for (int c = 0; c < width; c++)
        {
            if (size == sizeof(ushort))
            {
                Unsafe.WriteUnaligned(elements + 2L * c, Unsafe.ReadUnaligned<ushort>(from + c * step));
            }
            else
            {
                Unsafe.WriteUnaligned(elements + 4L * c, Unsafe.ReadUnaligned<float>(from + c * step));
            }
        }
    }

    /// <inheritdoc/>
    internal override void Check()
    {
        _ = Type.Size();
        if (Data == 0)
        {
            throw new ArgumentException($"A matrix [{Rows}, {Columns}] has no memory.");
        }
    }

    /// <inheritdoc/>
    internal override StridedMatrix Slice(int first, int rows) => this with
    {
        Data = (nint)Element(first, 0),
        Rows = rows,
        RowScales = RowScales == 0 ? 0 : RowScales + (nint)(first * RowScaleStride * RowScaleType.Size()),
    };

    /// <inheritdoc/>
    internal override MatrixSource? TryJoin(MatrixSource below) =>
        below is StridedMatrix next && next.Type == Type && next.RowStride == RowStride && next.ColumnStride == ColumnStride && next.Columns == Columns
        && next.RowScaleType == RowScaleType && RowScales == 0 && next.RowScales == 0
        && next.Data == (nint)Element(Rows, 0) && (long)Rows + next.Rows <= int.MaxValue
            ? this with { Rows = Rows + next.Rows }
            : null;

    /// <summary>Widens adjacent elements to float32, exactly.</summary>
    internal static void Decode(ElementType type, byte* from, int length, float* to)
    {
        switch (type)
        {
            case ElementType.F32:
                Unsafe.CopyBlockUnaligned(to, from, (uint)length * sizeof(float));
                break;
            case ElementType.BF16:
                Bf16.ToSingle(new ReadOnlySpan<ushort>(from, length), new Span<float>(to, length));
                break;
            case ElementType.F16:
                for (int i = 0; i < length; i++)
                {
                    to[i] = (float)Unsafe.ReadUnaligned<Half>(from + 2L * i);
                }
                break;
            default:
                for (int i = 0; i < length; i++)
                {
                    to[i] = Fp8.ToSingle(from[i]);
                }
                break;
        }
    }
}
