using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// A weight matrix [out, in] in panels of 32 rows, so that a vector lane is a row and no product needs a horizontal sum.
/// bfloat16: for each pair of columns (2p, 2p+1) 32 rows × 2 values, 128 bytes, which is also the operand of the BF16 dot
/// product. float32: for each column 32 rows, 128 bytes. Rows are padded to 32 and columns to 2 with zeros. One panel is
/// one sequential stream.
/// </summary>
public sealed unsafe class PackedMatrix : IMatrix
{
    /// <summary>Rows of a panel.</summary>
    public const int PanelRows = 32;

    private byte* _data;

    private PackedMatrix(int rows, int columns, ElementType format)
    {
        Rows = rows;
        Columns = columns;
        Format = format;
        Panels = (rows + PanelRows - 1) / PanelRows;
        Steps = format == ElementType.BF16 ? (columns + 1) / 2 : columns;
        PanelBytes = (long)Steps * PanelRows * sizeof(float);
        Bytes = PanelBytes * Panels;
        _data = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(Bytes, 64), 64);
    }

    /// <summary>Frees the memory of a matrix that was not disposed.</summary>
    ~PackedMatrix() => Free();

    /// <inheritdoc/>
    public int Rows { get; }

    /// <inheritdoc/>
    public int Columns { get; }

    /// <inheritdoc/>
    public ElementType Format { get; }

    /// <inheritdoc/>
    public long Bytes { get; }

    /// <summary>Panels of 32 rows.</summary>
    internal int Panels { get; }

    /// <summary>Steps of 128 bytes in a panel: column pairs (bfloat16) or columns (float32).</summary>
    internal int Steps { get; }

    internal long PanelBytes { get; }

    internal byte* Panel(int index)
    {
        ObjectDisposedException.ThrowIf(_data == null, this);
        return _data + index * PanelBytes;
    }

    /// <summary>Packs matrices of equal width, stacked along the rows. bfloat16 stays bfloat16 when all sources are; everything
    /// else becomes float32, exactly (FP8: code times row scale).</summary>
    /// <exception cref="ArgumentException">No source, one without data, or widths differ.</exception>
    public static PackedMatrix Pack(ReadOnlySpan<MatrixSource> stacked, ThreadTeam team)
    {
        (int rows, int columns) = MatrixSource.CheckStack(stacked);
        MatrixSource[] sources = MatrixSource.Flatten(stacked);
        bool bf16 = Array.TrueForAll(sources, source => source.PlainType == ElementType.BF16);
        var packed = new PackedMatrix(rows, columns, bf16 ? ElementType.BF16 : ElementType.F32);
        using var handle = new GCHandle<MatrixSource[]>(sources);
        var job = new PackJob(handle, packed._data, packed.Rows, packed.Columns, packed.Format);
        team.Run(job.Items, job);
        return packed;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_data);
        _data = null;
    }
}
