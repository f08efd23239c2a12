using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Writes panels of codes with scales. An item is a panel.</summary>
/// <param name="sources">What is stacked.</param>
/// <param name="count">Number of sources.</param>
/// <param name="panels">The first panel.</param>
/// <param name="panelBytes">Bytes of a panel.</param>
/// <param name="blockBytes">Bytes of a block.</param>
/// <param name="headerBytes">Bytes of a block's scales, before its codes.</param>
/// <param name="codec">Index of the format in <see cref="WeightCodec.All"/>: a job holds no references.</param>
internal readonly unsafe struct QuantiseJob(MatrixSource* sources, int count, byte* panels, long panelBytes, long blockBytes, int headerBytes, int codec) : ITeamJob
{
    public void Execute(int item, int worker)
    {
        byte* panel = panels + item * panelBytes;
        // Rows that are missing in the last panel are zero codes with scale zero.
        NativeMemory.Clear(panel, (nuint)panelBytes);
        int row = item * PackedMatrix.PanelRows;
        for (int i = 0, local = row; i < count; local -= sources[i++].Rows)
        {
            // Rows of this source that lie in the panel; earlier and later sources have none.
            int first = Math.Max(local, 0);
            int end = Math.Min(local + PackedMatrix.PanelRows, sources[i].Rows);
            for (int r = first; r < end; r++)
            {
                int lane = r - local;
                WeightCodec.All[codec].Write(sources[i], r, new RowTarget(panel + headerBytes + lane, PackedMatrix.PanelRows, blockBytes, (float*)panel + lane, blockBytes));
            }
        }
    }
}
