using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>Packs groups of panels. An item is <see cref="GroupPanels"/> panels.</summary>
internal readonly unsafe struct PackJob(GCHandle<MatrixSource[]> sources, byte* target, int rows, int columns, bool bf16) : ITeamJob
{
    private const int PanelRows = PackedMatrix.PanelRows;

    // [in, out] sources are read along the rows of several panels at once, so that each visit to a page uses 512 bytes.
    private const int GroupPanels = 8;

    // Steps that are asked for before they are read: a hundred lines or so are on their way.
    private const int AheadSteps = 6;

    // Columns of one row copied at a time: four cache lines of bf16.
    private const int BlockColumns = 128;

    // Words of a block of a row; a few beyond its last are read.
    private const int RowWords = BlockColumns + 4;

    private int Panels => (int)(((long)rows + PanelRows - 1) / PanelRows);

    private int Steps => bf16 ? (int)(((long)columns + 1) / 2) : columns;

    private long PanelBytes => (long)Steps * PanelRows * sizeof(float);

    public int Items => (Panels + GroupPanels - 1) / GroupPanels;

    public void Execute(int item, int worker)
    {
        int first = item * GroupPanels;
        int end = Math.Min(first + GroupPanels, Panels);
        int firstRow = first * PanelRows;
        if ((long)end * PanelRows <= rows && TryFind(sources.Target, firstRow, (end - first) * PanelRows, out int index, out int local)
            && sources.Target[index] is StridedMatrix { RowStride: 1, ColumnStride: not 1 } source && (!bf16 || source.Type == ElementType.BF16))
        {
            PackColumns(source, local, first, end);
            return;
        }
        for (int panel = first; panel < end; panel++)
        {
            if (bf16)
            {
                PackRowsBf16(panel);
            }
            else
            {
                PackRowsF32(panel);
            }
        }
    }

    // The source that holds all of the given rows, if one does.
    private static bool TryFind(MatrixSource[] stack, int row, int length, out int index, out int local)
    {
        for (index = 0; index < stack.Length; index++)
        {
            if (row < stack[index].Rows)
            {
                local = row;
                return length <= stack[index].Rows - row;
            }
            row -= stack[index].Rows;
        }
        local = 0;
        return false;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void PackColumns(StridedMatrix source, int local, int first, int end)
    {
        int width = (end - first) * PanelRows;
        float* scales = stackalloc float[GroupPanels * PanelRows];
        float* values = stackalloc float[GroupPanels * PanelRows];
        for (int r = 0; r < width; r++)
        {
            scales[r] = source.Scale(local + r);
        }
        for (int step = 0; step < Steps; step++)
        {
            if (bf16)
            {
                ushort* even = (ushort*)source.Data + 2 * step * source.ColumnStride + local;
                ushort* odd = 2 * step + 1 < columns ? even + source.ColumnStride : null;
                Expect(even + 2 * AheadSteps * source.ColumnStride, width);
                Expect(even + (2 * AheadSteps + 1) * source.ColumnStride, width);
                for (int panel = first; panel < end; panel++)
                {
                    int r = (panel - first) * PanelRows;
                    Interleave(even + r, odd == null ? null : odd + r, (uint*)(target + panel * PanelBytes) + (long)step * PanelRows);
                }
                continue;
            }
            StridedMatrix.Decode(source.Type, source.Element(local, step), width, values);
            for (int r = 0; r < width; r++)
            {
                float* to = (float*)(target + (first + r / PanelRows) * PanelBytes) + (long)step * PanelRows;
                to[r % PanelRows] = source.RowScales != 0 ? values[r] * scales[r] : values[r];
            }
        }
    }

    // Rows of the source lie pages apart, where no processor expects them.
    private static void Expect(ushort* row, int width)
    {
        for (int c = 0; c < width && Sse.IsSupported; c += 32)
        {
            Sse.Prefetch0(row + c);
        }
    }

    // 32 pairs of (even, odd); a missing odd column is zero.
    private static void Interleave(ushort* even, ushort* odd, uint* to)
    {
        for (int r = 0; r < PanelRows; r += 16)
        {
            (Vector256<uint> lower, Vector256<uint> upper) = Vector256.Widen(Vector256.Load(even + r));
            if (odd != null)
            {
                (Vector256<uint> lowerOdd, Vector256<uint> upperOdd) = Vector256.Widen(Vector256.Load(odd + r));
                lower |= lowerOdd << 16;
                upper |= upperOdd << 16;
            }
            lower.Store(to + r);
            upper.Store(to + r + 8);
        }
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void PackRowsBf16(int panel)
    {
        MatrixSource[] stack = sources.Target;
        int* index = stackalloc int[PanelRows];
        int* local = stackalloc int[PanelRows];
        int valid = Locate(stack, panel, index, local);
        uint* words = stackalloc uint[PanelRows * RowWords];
        float* values = stackalloc float[BlockColumns];
        new Span<uint>(words, PanelRows * RowWords).Clear();
        uint* to = (uint*)(target + panel * PanelBytes);
        for (int k = 0; k < columns; k += BlockColumns)
        {
            int width = Math.Min(BlockColumns, columns - k);
            int steps = (width + 1) / 2;
            for (int r = 0; r < valid; r++)
            {
                uint* row = words + r * RowWords;
                // The half of the last pair that an odd width leaves over.
                row[steps - 1] = 0;
                MatrixSource source = stack[index[r]];
                if (source.PlainType == ElementType.BF16)
                {
                    if (source is StridedMatrix { ColumnStride: 1 } plain)
                    {
                        Expect((ushort*)plain.Element(local[r], k + BlockColumns), BlockColumns);
                    }
                    source.Copy(local[r], k, width, (byte*)row);
                }
                else
                {
                    source.Read(local[r], k, width, values);
                    WeightEncoders.BF16(values, width, 1, (byte*)row);
                }
            }
            LaneWords.Place(words, RowWords, steps, to);
            to += steps * PanelRows;
        }
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void PackRowsF32(int panel)
    {
        MatrixSource[] stack = sources.Target;
        int* index = stackalloc int[PanelRows];
        int* local = stackalloc int[PanelRows];
        int valid = Locate(stack, panel, index, local);
        uint* words = stackalloc uint[PanelRows * RowWords];
        new Span<uint>(words, PanelRows * RowWords).Clear();
        uint* to = (uint*)(target + panel * PanelBytes);
        for (int k = 0; k < columns; k += BlockColumns)
        {
            int width = Math.Min(BlockColumns, columns - k);
            for (int r = 0; r < valid; r++)
            {
                stack[index[r]].Read(local[r], k, width, (float*)(words + r * RowWords));
            }
            LaneWords.Place(words, RowWords, width, to);
            to += width * PanelRows;
        }
    }

    private int Locate(MatrixSource[] stack, int panel, int* index, int* local)
    {
        int valid = Math.Min(PanelRows, rows - panel * PanelRows);
        for (int r = 0; r < valid; r++)
        {
            _ = TryFind(stack, panel * PanelRows + r, 1, out index[r], out local[r]);
        }
        return valid;
    }
}
