using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Writes panels of codes with scales. An item is a panel.</summary>
/// <param name="sources">What is stacked.</param>
/// <param name="target">Where it goes.</param>
internal readonly unsafe struct QuantiseJob(GCHandle<MatrixSource[]> sources, GCHandle<PackedMatrix> target) : ITeamJob
{
    public void Execute(int item, int worker)
    {
        PackedMatrix matrix = target.Target;
        WeightCodec codec = WeightCodec.Of(matrix.Format);
        byte* panel = matrix.Panel(item);
        // Rows that are missing in the last panel are zero codes with scale zero.
        NativeMemory.Clear(panel, (nuint)matrix.PanelBytes);
        int local = item * PackedMatrix.PanelRows;
        foreach (MatrixSource source in sources.Target)
        {
            // Rows of this source that lie in the panel; earlier and later sources have none.
            int first = Math.Max(local, 0);
            int end = Math.Min(local + PackedMatrix.PanelRows, source.Rows);
            for (int r = first; r < end; r++)
            {
                int lane = r - local;
                codec.Write(source, r, new RowTarget(
                    panel + matrix.HeaderBytes + lane, PackedMatrix.PanelRows, matrix.BlockBytes, (float*)panel + lane, matrix.BlockBytes));
            }
            local -= source.Rows;
        }
    }
}
