using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Backends;
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

    internal byte* Panel(int index) => _data + index * PanelBytes;

    /// <summary>Packs matrices of equal width, stacked along the rows. bfloat16 stays bfloat16 when all sources are; everything
    /// else becomes float32, exactly (FP8: code times row scale).</summary>
    /// <exception cref="ArgumentException">No source, or widths differ.</exception>
    public static PackedMatrix Pack(ReadOnlySpan<MatrixSource> stacked, ThreadTeam team)
    {
        if (stacked.IsEmpty)
        {
            throw new ArgumentException("There is nothing to pack.", nameof(stacked));
        }
        int rows = 0;
        bool bf16 = true;
        foreach (MatrixSource source in stacked)
        {
            if (source.Columns != stacked[0].Columns || source.Rows <= 0 || source.Columns <= 0)
            {
                throw new ArgumentException($"Cannot stack [{source.Rows}, {source.Columns}] on [{stacked[0].Rows}, {stacked[0].Columns}].", nameof(stacked));
            }
            rows = checked(rows + source.Rows);
            bf16 &= source.Type == ElementType.BF16;
        }
        var packed = new PackedMatrix(rows, stacked[0].Columns, bf16 ? ElementType.BF16 : ElementType.F32);
        fixed (MatrixSource* sources = stacked)
        {
            team.Run(packed.Panels, new PackJob(sources, packed._data, packed.PanelBytes, packed.Rows, packed.Columns, packed.Steps, bf16));
        }
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

    private readonly struct PackJob(MatrixSource* sources, byte* data, long panelBytes, int rows, int columns, int steps, bool bf16) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            byte* panel = data + item * panelBytes;
            for (int lane = 0; lane < PanelRows; lane++)
            {
                int row = item * PanelRows + lane;
                if (row >= rows)
                {
                    Clear(panel, lane);
                    continue;
                }
                MatrixSource* source = sources;
                while (row >= source->Rows)
                {
                    row -= source->Rows;
                    source++;
                }
                if (bf16)
                {
                    PackBf16(panel, lane, source, row);
                }
                else
                {
                    PackF32(panel, lane, source, row);
                }
            }
        }

        private void Clear(byte* panel, int lane)
        {
            uint* to = (uint*)panel + lane;
            for (int s = 0; s < steps; s++)
            {
                to[(long)s * PanelRows] = 0;
            }
        }

        private void PackBf16(byte* panel, int lane, MatrixSource* source, int row)
        {
            ushort* to = (ushort*)panel + 2 * lane;
            byte* from = (byte*)source->Data + row * source->RowStride * 2;
            long stride = source->ColumnStride * 2;
            for (int c = 0; c < columns; c++)
            {
                to[(c >> 1) * (2L * PanelRows) + (c & 1)] = *(ushort*)(from + c * stride);
            }
            if ((columns & 1) != 0)
            {
                to[(columns >> 1) * (2L * PanelRows) + 1] = 0;
            }
        }

        private void PackF32(byte* panel, int lane, MatrixSource* source, int row)
        {
            float* to = (float*)panel + lane;
            int size = source->Type.Size();
            byte* from = (byte*)source->Data + row * source->RowStride * size;
            long stride = source->ColumnStride * size;
            float scale = source->RowScales == 0 ? 1 : Read((byte*)source->RowScales + (long)row * source->RowScaleType.Size(), source->RowScaleType);
            for (int c = 0; c < columns; c++)
            {
                to[(long)c * PanelRows] = Read(from + c * stride, source->Type) * scale;
            }
        }

        private static float Read(byte* at, ElementType type) => type switch
        {
            ElementType.F32 => *(float*)at,
            ElementType.BF16 => Bf16.ToSingle(*(ushort*)at),
            ElementType.F16 => (float)*(Half*)at,
            _ => Fp8.ToSingle(*at),
        };
    }
}
