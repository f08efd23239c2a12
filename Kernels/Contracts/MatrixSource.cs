using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// Where a logical weight matrix [<paramref name="Rows"/> = out, <paramref name="Columns"/> = in] lies in host memory
/// (usually a mapped checkpoint). Element (r, c) is at <c>Data + (r·RowStride + c·ColumnStride)·size</c>, so an
/// [in, out] tensor is the same matrix with the strides swapped. No alignment beyond one byte is assumed.
/// </summary>
/// <param name="Data">Address of element (0, 0).</param>
/// <param name="Type">Element type.</param>
/// <param name="Rows">Output features.</param>
/// <param name="Columns">Input features.</param>
/// <param name="RowStride">Elements between rows.</param>
/// <param name="ColumnStride">Elements between columns.</param>
/// <param name="RowScales">For FP8: address of one dequantisation multiplier per row; otherwise 0.</param>
/// <param name="RowScaleType">Element type of the scales.</param>
public readonly record struct MatrixSource(
    nint Data, ElementType Type, int Rows, int Columns, long RowStride, long ColumnStride,
    nint RowScales = 0, ElementType RowScaleType = ElementType.F32)
{
    /// <summary>The format of its elements.</summary>
    public WeightFormat Format => WeightFormat.Of(Type);

    /// <summary>A row-major [out, in] matrix without gaps.</summary>
    public static MatrixSource RowMajor(nint data, ElementType type, int rows, int columns) =>
        new(data, type, rows, columns, columns, 1);
}
