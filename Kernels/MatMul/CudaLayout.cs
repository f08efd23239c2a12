using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>How a matrix lies on the device.</summary>
/// <param name="Name">Its name in reports.</param>
/// <param name="UnitRows">Rows that are packed together; matrices are padded to a multiple with zeros.</param>
internal sealed record CudaLayout(string Name, int UnitRows) : WeightLayout(Name)
{
    /// <summary>Elements [out, in] row-major, codes of less than a byte two to a byte, and apart from them scales [out, scales of a row].</summary>
    public static CudaLayout Rows { get; } = new("rows", 1);

    /// <summary>int4 in <see cref="Int4Tiles"/>, for tensor cores.</summary>
    public static CudaLayout Tiles { get; } = new("tiles", Int4Tiles.UnitRows);

    /// <summary>Bytes of a matrix's codes.</summary>
    public long CodeBytes(StackedSources shape) => PaddedRows(shape) * shape.Format.CodeBytes(shape.Columns);

    /// <summary>Bytes of a matrix's scales, 0 without.</summary>
    public long ScaleBytes(StackedSources shape) => PaddedRows(shape) * shape.Format.ScaleBytes(shape.Columns);

    private long PaddedRows(StackedSources shape) => ((long)shape.Rows + UnitRows - 1) / UnitRows * UnitRows;
}
