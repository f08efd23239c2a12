using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Writes panels of <see cref="Int4Panels"/>. An item is a few panels. Numbers are quantised with a row in each lane, by the rule of
/// <see cref="Quantiser"/>; codes that are stored in the format are kept.
/// </summary>
internal readonly unsafe struct Int4PanelPacking(GCHandle<MatrixSource[]> sources, GCHandle<Int4Panels> target) : ITeamJob
{
    private const int PanelRows = Int4Panels.PanelRows, Group = Int4Panels.GroupColumns, Lanes = 16;

    // The numbers of a group lie as two halves [column, row], each of rows that are turned together.
    private const int HalfRows = PanelRows / 2, Half = Group * HalfRows;

    // Words of a row that is turned; a few beyond its last are read.
    private const int RowWords = Group + 4;

    // [in, out] sources are read along the rows of several panels, so that each visit to a page uses 512 bytes.
    private const int ItemPanels = 4;

    /// <summary>Items that a matrix takes.</summary>
    public static int Items(int panels) => (panels + ItemPanels - 1) / ItemPanels;

    [SkipLocalsInit]
    public void Execute(int item, int worker)
    {
        Int4Panels matrix = target.Target;
        // 32 KiB.
        float* tile = stackalloc float[2 * Half];
        new Span<float>(tile, 2 * Half).Clear();
        int first = item * ItemPanels, end = Math.Min(first + ItemPanels, matrix.Panels);
        if (HasColumns(first * PanelRows, end * PanelRows))
        {
            for (int g = 0; g < matrix.Groups; g++)
            {
                for (int panel = first; panel < end; panel++)
                {
                    Block(matrix, panel, g, tile);
                }
            }
        }
        else
        {
            for (int panel = first; panel < end; panel++)
            {
                for (int g = 0; g < matrix.Groups; g++)
                {
                    Block(matrix, panel, g, tile);
                }
            }
        }
        for (int panel = first; panel < end; panel++)
        {
            Keep(matrix, panel);
        }
    }

    /// <summary>Whether columns of the sources lie together, and not rows.</summary>
    private bool HasColumns(int first, int end)
    {
        foreach (MatrixSource source in sources.Target)
        {
            if (first < source.Rows && end > 0 && source is StridedMatrix { RowStride: 1, ColumnStride: not 1, RowScales: 0 })
            {
                return true;
            }
            (first, end) = (first - source.Rows, end - source.Rows);
        }
        return false;
    }

    /// <summary>A group of a panel.</summary>
    private void Block(Int4Panels matrix, int panel, int group, float* tile)
    {
        byte* block = matrix.Panel(panel) + (long)group * Int4Panels.BlockBytes;
        int local = panel * PanelRows, rows = Math.Min(PanelRows, matrix.Rows - local), kept = 0;
        if (rows < PanelRows)
        {
            // Missing rows, and what an earlier panel left there.
            new Span<float>(tile, 2 * Half).Clear();
        }
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
                Read(source, first, end, group * Group, first - local, tile);
            }
            local -= source.Rows;
        }
        if (kept < rows)
        {
            Encode(tile, rows, block);
        }
        else if (rows < PanelRows)
        {
            // Codes of zero and scales of zero, as numbers leave them.
            NativeMemory.Fill(block, Int4Panels.CodeBytes, (byte)(Int4Panels.Bias | Int4Panels.Bias << 4));
            NativeMemory.Clear(block + Int4Panels.CodeBytes, PanelRows * sizeof(float));
        }
    }

    /// <summary>Numbers of some rows of a source to some lanes of the tile.</summary>
    [SkipLocalsInit]
    private static void Read(MatrixSource source, int first, int end, int column, int lane, float* tile)
    {
        float* values = stackalloc float[HalfRows * RowWords];
        if (source is StridedMatrix { RowStride: 1, ColumnStride: not 1, RowScales: 0 } columns)
        {
            ReadColumns(columns, first, end - first, column, lane, tile, values);
            return;
        }
        for (int count; first < end; first += count, lane += count)
        {
            int row = lane % HalfRows;
            count = Math.Min(end - first, HalfRows - row);
            float* half = tile + lane / HalfRows * Half;
            for (int r = 0; r < count; r++)
            {
                source.Read(first + r, column, Group, values + r * RowWords);
            }
            if (count == HalfRows)
            {
                LaneWords.Place((uint*)values, RowWords, Group, (uint*)half);
                continue;
            }
            for (int c = 0; c < Group; c++)
            {
                for (int r = 0; r < count; r++)
                {
                    half[c * HalfRows + row + r] = values[r * RowWords + c];
                }
            }
        }
    }

    /// <summary>As <see cref="Read"/>, of a matrix whose columns lie together. What the next panel reads, beside them, is asked for.</summary>
    private static void ReadColumns(StridedMatrix source, int first, int rows, int column, int lane, float* tile, float* values)
    {
        int bytes = rows * source.Type.Size();
        for (int c = 0; c < Group; c++)
        {
            byte* from = source.Element(first, column + c);
            for (int line = 0; line < bytes && Sse.IsSupported; line += 64)
            {
                Sse.Prefetch0(from + bytes + line);
            }
            StridedMatrix.Decode(source.Type, from, rows, values);
            int low = Math.Clamp(HalfRows - lane, 0, rows);
            new ReadOnlySpan<float>(values, low).CopyTo(new Span<float>(tile + c * HalfRows + lane, low));
            new ReadOnlySpan<float>(values + low, rows - low).CopyTo(new Span<float>(tile + Half + c * HalfRows + Math.Max(0, lane - HalfRows), rows - low));
        }
    }

    /// <summary>A block from the numbers of a group.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Encode(float* tile, int rows, byte* block)
    {
        const uint Magnitude = 0x7fff_ffff, Infinity = 0x7f80_0000;
        var bias = Vector512.Create(Int4Panels.Bias);
        float* scales = (float*)(block + Int4Panels.CodeBytes);
        for (int n = 0; n < PanelRows; n += Lanes)
        {
            float* numbers = tile + n / HalfRows * Half + n % HalfRows;
            Vector512<uint> bits = default;
            for (int c = 0; c < Group; c++)
            {
                // Bits of magnitudes are ordered as they are, with NaN above all.
                bits = Vector512.Max(bits, Vector512.Load((uint*)numbers + c * HalfRows) & Vector512.Create(Magnitude));
            }
            Vector512<float> scale = Quantiser.Int4Scale(bits.AsSingle());
            scale.Store(scales + n);
            bool isFinite = Vector512.LessThanAll(bits, Vector512.Create(Infinity));
            uint* to = (uint*)(block + n * 4);
            for (int c = 0; c < Group; c += 8, to += PanelRows)
            {
                Vector512<uint> word = default;
                for (int j = 0; j < 4; j++)
                {
                    float* low = numbers + (c + j) * HalfRows, high = low + 4 * HalfRows;
                    Vector512<int> lower = Code(low, scale, isFinite) + bias, upper = Code(high, scale, isFinite) + bias;
                    word |= (lower | upper << 4).AsUInt32() << (8 * j);
                }
                word.Store(to);
            }
        }
        new Span<float>(scales + rows, PanelRows - rows).Clear();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Code(float* values, Vector512<float> scale, bool isFinite) =>
        isFinite ? Quantiser.FiniteInt4(Vector512.Load(values), scale) : Quantiser.Int4(Vector512.Load(values), scale);

    /// <summary>Rows whose stored codes stay.</summary>
    private void Keep(Int4Panels matrix, int panel)
    {
        int local = panel * PanelRows, pairs = matrix.Columns / 2;
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
                        WeightCodec.Of(matrix.Format).Write(source, r, new RowTarget(row, Group / 2, (float*)(row + pairs), sizeof(float)));
                        Place(row, (float*)(row + pairs), matrix.Groups, matrix.Panel(panel), r - local);
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
