using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Quantises the rows of a panel. An item is a panel.</summary>
internal readonly unsafe struct QuantiseJob(
    GCHandle<MatrixSource[]> sources, byte* target, long blockBytes, int blocks, int steps, int columns, ElementType format) : ITeamJob
{
    public void Execute(int item, int worker)
    {
        byte* panel = target + item * blockBytes * blocks;
        for (int b = 0; b < blocks; b++)
        {
            new Span<float>(panel + b * blockBytes, QuantisedMatrix.PanelRows).Clear();
            for (long s = 0; s < steps; s++)
            {
                new Span<byte>(panel + b * blockBytes + QuantisedMatrix.ScaleBytes + s * QuantisedMatrix.PanelRows, QuantisedMatrix.PanelRows).Clear();
            }
        }
        int local = item * QuantisedMatrix.PanelRows;
        foreach (MatrixSource source in sources.Target)
        {
            // Rows of this source that lie in the panel; earlier and later sources have none.
            int first = Math.Max(local, 0);
            int end = Math.Min(local + QuantisedMatrix.PanelRows, source.Rows);
            for (int r = first; r < end; r++)
            {
                Row(source, r, panel, r - local);
            }
            local -= source.Rows;
        }
    }

    private void Row(MatrixSource source, int row, byte* panel, int lane)
    {
        if (format == ElementType.Int4)
        {
            RowInt4(source, row, panel, lane);
            return;
        }
        byte* codes = panel + QuantisedMatrix.ScaleBytes + lane;
        if (source is StridedMatrix { Type: ElementType.F8E4M3 } stored)
        {
            ((float*)panel)[lane] = stored.Scale(row);
            byte* from = stored.Element(row, 0);
            for (long c = 0; c < columns; c++)
            {
                codes[c * QuantisedMatrix.PanelRows] = from[c * stored.ColumnStride];
            }
            return;
        }
        // Twice over the row in pieces, so that a row of any length needs no memory: its maximum, then its codes.
        float* values = stackalloc float[QuantisedMatrix.GroupColumns];
        float largest = 0;
        for (int c = 0; c < columns; c += QuantisedMatrix.GroupColumns)
        {
            int width = Math.Min(QuantisedMatrix.GroupColumns, columns - c);
            source.Read(row, c, width, values);
            largest = MathF.Max(largest, Quantiser.MaxAbsolute(new ReadOnlySpan<float>(values, width)));
        }
        float scale = Quantiser.Fp8Scale(largest);
        ((float*)panel)[lane] = scale;
        for (int c = 0; c < columns; c += QuantisedMatrix.GroupColumns)
        {
            int width = Math.Min(QuantisedMatrix.GroupColumns, columns - c);
            source.Read(row, c, width, values);
            for (int i = 0; i < width; i++)
            {
                codes[(long)(c + i) * QuantisedMatrix.PanelRows] = Fp8.FromSingle(values[i] / scale);
            }
        }
    }

    private void RowInt4(MatrixSource source, int row, byte* panel, int lane)
    {
        float* values = stackalloc float[QuantisedMatrix.GroupColumns];
        for (int b = 0; b < blocks; b++)
        {
            byte* block = panel + b * blockBytes;
            source.Read(row, b * QuantisedMatrix.GroupColumns, QuantisedMatrix.GroupColumns, values);
            float scale = Quantiser.Int4Scale(Quantiser.MaxAbsolute(new ReadOnlySpan<float>(values, QuantisedMatrix.GroupColumns)));
            ((float*)block)[lane] = scale;
            for (int s = 0; s < steps; s++)
            {
                int low = Quantiser.Int4(values[2 * s], scale), high = Quantiser.Int4(values[2 * s + 1], scale);
                block[QuantisedMatrix.ScaleBytes + s * QuantisedMatrix.PanelRows + lane] = (byte)((low & 15) | (high << 4));
            }
        }
    }
}
