using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// A weight matrix [Rows, Columns] in panels of 32 rows, each one sequential stream over k in steps of two:
/// bf16: 32 lanes of (k, k+1) pairs, 128 bytes a step; float32: 32 values of k, then 32 of k+1, 256 bytes a step.
/// A lane is a row, so products need no horizontal sums, and decoding reads memory once in order. Rows are padded to 32
/// and columns to 2 with zeros.
/// </summary>
public sealed unsafe class PackedMatrix : IMatrix
{
    internal const int PanelRows = 32;

    private byte* _data;

    private PackedMatrix(int rows, int columns, ElementType format)
    {
        Rows = rows;
        Columns = columns;
        Format = format;
        Panels = (int)(((long)rows + PanelRows - 1) / PanelRows);
        Steps = (int)(((long)columns + 1) / 2);
        PanelBytes = (long)Steps * PanelRows * 2 * format.Size();
        Bytes = Panels * PanelBytes;
        _data = (byte*)NativeMemory.AlignedAlloc((nuint)Bytes, 64);
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

    internal int Panels { get; }

    // Pairs of columns, the last one padded.
    internal int Steps { get; }

    internal long PanelBytes { get; }

    internal byte* Data
    {
        get
        {
            ObjectDisposedException.ThrowIf(_data == null, this);
            return _data;
        }
    }

    /// <summary>
    /// Packs sources of equal width, stacked along the rows. Sources that are all bf16 stay bf16; otherwise the matrix is
    /// float32: float32, bf16 and half exactly, FP8 as the float32 product of code and row scale.
    /// </summary>
    /// <param name="stacked">Sources in row order; their memory is only read during the call.</param>
    /// <param name="team">Threads that share the work.</param>
    /// <exception cref="ArgumentException">No sources, an empty or missing source, or different widths.</exception>
    /// <exception cref="OutOfMemoryException">The matrix does not fit in memory.</exception>
    public static PackedMatrix Pack(ReadOnlySpan<MatrixSource> stacked, ThreadTeam team)
    {
        ArgumentNullException.ThrowIfNull(team);
        (int rows, ElementType format) = Check(stacked);
        var matrix = new PackedMatrix(rows, stacked[0].Columns, format);
        fixed (MatrixSource* sources = stacked)
        {
            var job = new PackJob(sources, stacked.Length, matrix._data, rows, matrix.Columns, format);
            team.Run(job.Items, job);
        }
        GC.KeepAlive(matrix);
        return matrix;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private static (int Rows, ElementType Format) Check(ReadOnlySpan<MatrixSource> stacked)
    {
        if (stacked.IsEmpty)
        {
            throw new ArgumentException("There is nothing to pack.", nameof(stacked));
        }
        long rows = 0;
        bool bf16 = true;
        foreach (ref readonly MatrixSource source in stacked)
        {
            if (source.Rows <= 0 || source.Columns <= 0 || source.Data == 0)
            {
                throw new ArgumentException($"A source [{source.Rows}, {source.Columns}] at address {source.Data} is empty.", nameof(stacked));
            }
            if (source.Columns != stacked[0].Columns)
            {
                throw new ArgumentException($"Sources [{stacked[0].Rows}, {stacked[0].Columns}] and [{source.Rows}, {source.Columns}] differ in width.", nameof(stacked));
            }
            _ = source.Type.Size();
            if (source.RowScales != 0 && source.Type != ElementType.F8E4M3)
            {
                throw new ArgumentException($"Row scales belong to FP8 sources, not to {source.Type}.", nameof(stacked));
            }
            rows += source.Rows;
            bf16 &= source.Type == ElementType.BF16;
        }
        if (rows > int.MaxValue)
        {
            throw new ArgumentException($"{rows} stacked rows are more than {int.MaxValue}.", nameof(stacked));
        }
        return ((int)rows, bf16 ? ElementType.BF16 : ElementType.F32);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_data);
        _data = null;
    }
}
