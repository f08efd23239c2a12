using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Writes panels of <see cref="Int4Panels"/>. An item is a panel. Numbers are quantised with a row in each lane, by the rule of
/// <see cref="Quantiser"/> to the bit; codes that are stored in the format are kept.
/// </summary>
internal readonly unsafe struct Int4PanelPacking(GCHandle<MatrixSource[]> sources, GCHandle<Int4Panels> target) : ITeamJob
{
    private const int PanelRows = Int4Panels.PanelRows, Group = Int4Panels.GroupColumns, Lanes = 16;

    [SkipLocalsInit]
    public void Execute(int item, int worker)
    {
        Int4Panels matrix = target.Target;
        byte* panel = matrix.Panel(item);
        // The numbers of a group [column, row], 32 KiB.
        float* tile = stackalloc float[Group * PanelRows];
        new Span<float>(tile, Group * PanelRows).Clear();
        int rows = Math.Min(PanelRows, matrix.Rows - item * PanelRows);
        for (int g = 0; g < matrix.Groups; g++, panel += Int4Panels.BlockBytes)
        {
            int local = item * PanelRows, kept = 0;
            foreach (MatrixSource source in sources.Target)
            {
                // Rows of this source that lie in the panel; earlier and later sources have none.
                int first = Math.Max(local, 0), end = Math.Min(local + PanelRows, source.Rows);
                if (WeightCodec.Keeps(WeightFormat.Int4, source))
                {
                    kept += Math.Max(0, end - first);
                }
                else if (first < end)
                {
                    Read(source, first, end, g * Group, tile + (first - local));
                }
                local -= source.Rows;
            }
            if (kept < rows)
            {
                Encode(tile, rows, panel);
            }
            else if (rows < PanelRows)
            {
                NativeMemory.Clear(panel, Int4Panels.BlockBytes);
            }
        }
        Keep(matrix, item);
    }

    private static void Read(MatrixSource source, int first, int end, int column, float* tile)
    {
        if (source is StridedMatrix { RowStride: 1, RowScales: 0 } columns)
        {
            for (int c = 0; c < Group; c++)
            {
                StridedMatrix.Decode(columns.Type, columns.Element(first, column + c), end - first, tile + c * PanelRows);
            }
            return;
        }
        float* values = stackalloc float[Group];
        for (int r = first; r < end; r++, tile++)
        {
            source.Read(r, column, Group, values);
            for (int c = 0; c < Group; c++)
            {
                tile[c * PanelRows] = values[c];
            }
        }
    }

    /// <summary>A block from the numbers of a group.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Encode(float* tile, int rows, byte* block)
    {
        float* scales = (float*)(block + Int4Panels.CodeBytes);
        for (int n = 0; n < PanelRows; n += Lanes)
        {
            Vector512<float> largest = default;
            for (int c = 0; c < Group; c++)
            {
                // NaN propagates.
                largest = Vector512.Max(largest, Vector512.Abs(Vector512.Load(tile + c * PanelRows + n)));
            }
            Vector512<float> scale = Vector512.Max(largest, Vector512.Create(Quantiser.Int4Floor)) / 8;
            scale.Store(scales + n);
            uint* to = (uint*)(block + n * 4);
            for (int c = 0; c < Group; c += 8, to += PanelRows)
            {
                Vector512<uint> word = default;
                for (int j = 0; j < 4; j++)
                {
                    word |= (Code(tile + (c + j) * PanelRows + n, scale) | Code(tile + (c + 4 + j) * PanelRows + n, scale) << 4) << (8 * j);
                }
                word.Store(to);
            }
        }
        new Span<float>(scales + rows, PanelRows - rows).Clear();
    }

    /// <summary>The codes of 16 rows, counted from 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Code(float* values, Vector512<float> scale)
    {
        Vector512<float> steps = Vector512.Round(Vector512.Load(values) / scale);
        steps = Vector512.Min(Vector512.Max(steps, Vector512.Create(-8f)), Vector512.Create(7f));
        return (Vector512.ConvertToInt32(steps) + Vector512.Create(Int4Panels.Bias)).AsUInt32();
    }

    /// <summary>Rows whose stored codes stay.</summary>
    private void Keep(Int4Panels matrix, int item)
    {
        int local = item * PanelRows, pairs = matrix.Columns / 2;
        foreach (MatrixSource source in sources.Target)
        {
            int first = Math.Max(local, 0), end = Math.Min(local + PanelRows, source.Rows);
            if (WeightCodec.Keeps(WeightFormat.Int4, source) && first < end)
            {
                // A row as its codec writes it: pairs of columns, then the scales.
                byte* row = (byte*)NativeMemory.Alloc((nuint)(pairs + matrix.Groups * sizeof(float)));
                try
                {
                    for (int r = first; r < end; r++)
                    {
                        WeightCodec.Of(matrix.Format).Write(source, r, new RowTarget(row, 1, Group / 2, (float*)(row + pairs), sizeof(float)));
                        Place(row, (float*)(row + pairs), matrix.Groups, matrix.Panel(item), r - local);
                    }
                }
                finally
                {
                    NativeMemory.Free(row);
                }
            }
            local -= source.Rows;
        }
    }

    private static void Place(byte* pairs, float* scales, int groups, byte* panel, int lane)
    {
        for (int g = 0; g < groups; g++, panel += Int4Panels.BlockBytes)
        {
            byte* to = panel + lane * 4;
            for (int q = 0; q < Group / 8; q++, pairs += 4, to += PanelRows * 4)
            {
                uint eight = Unsafe.ReadUnaligned<uint>(pairs);
                *(uint*)to = (Spread(eight & 0xffff) | Spread(eight >> 16) << 4) ^ 0x88888888;
            }
            ((float*)(panel + Int4Panels.CodeBytes))[lane] = scales[g];
        }
    }

    /// <summary>Four halves of bytes to the low halves of four bytes.</summary>
    private static uint Spread(uint halves)
    {
        halves = (halves | halves << 8) & 0x00ff00ff;
        return (halves | halves << 4) & 0x0f0f0f0f;
    }
}
