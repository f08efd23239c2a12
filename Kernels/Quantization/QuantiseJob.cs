using System.Buffers;
using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Writes panels of codes with scales: the rows of a panel as a device would get them, then their bytes with a lane per row. An item is a panel.</summary>
/// <param name="sources">What is stacked.</param>
/// <param name="target">Where it goes.</param>
internal readonly unsafe struct QuantiseJob(GCHandle<MatrixSource[]> sources, GCHandle<PackedMatrix> target) : ITeamJob
{
    private const int PanelRows = PackedMatrix.PanelRows;

    public void Execute(int item, int worker)
    {
        PackedMatrix matrix = target.Target;
        byte* panel = matrix.Panel(item);
        int rowBytes = checked((int)matrix.Format.CodeBytes(matrix.Columns));
        byte[] codes = ArrayPool<byte>.Shared.Rent(checked(PanelRows * rowBytes));
        fixed (byte* rows = codes)
        {
            if ((item + 1) * (long)PanelRows > matrix.Rows)
            {
                // Rows that are missing in the last panel are zero codes with scale zero.
                NativeMemory.Clear(rows, (nuint)(PanelRows * rowBytes));
                NativeMemory.Clear(panel, (nuint)matrix.PanelBytes);
            }
            Write(matrix, item * PanelRows, rows, rowBytes, panel);
            int groupBytes = rowBytes / matrix.Blocks;
            for (int block = 0; block < matrix.Blocks; block++, panel += matrix.BlockBytes)
            {
                byte* to = panel + matrix.HeaderBytes;
                LaneWords.PlaceBytes(rows + block * groupBytes, rowBytes, groupBytes, to);
                // A step that makes them even.
                new Span<byte>(to + groupBytes * PanelRows, (int)(matrix.BlockBytes - matrix.HeaderBytes) - groupBytes * PanelRows).Clear();
            }
        }
        ArrayPool<byte>.Shared.Return(codes);
    }

    /// <summary>Codes of the panel's rows one row after another, and their scales in the panel.</summary>
    private void Write(PackedMatrix matrix, int local, byte* rows, int rowBytes, byte* panel)
    {
        WeightCodec codec = WeightCodec.Of(matrix.Format);
        long groupBytes = matrix.Format.CodeBytes(matrix.Format.GroupColumns);
        foreach (MatrixSource source in sources.Target)
        {
            // Rows of this source that lie in the panel; earlier and later sources have none.
            int first = Math.Max(local, 0), end = Math.Min(local + PanelRows, source.Rows);
            for (int r = first; r < end; r++)
            {
                int lane = r - local;
                codec.Write(source, r, new RowTarget(rows + (long)lane * rowBytes, groupBytes, (float*)panel + lane, matrix.BlockBytes));
            }
            local -= source.Rows;
        }
    }
}
