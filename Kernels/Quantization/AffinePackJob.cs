using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Packs the panels of a matrix for the processor. An item is a panel.</summary>
internal readonly unsafe struct AffinePackJob(
    GCHandle<CodedMatrix[]> sources, byte* target, AffineLayout layout, delegate*<int, byte*, int, uint*, void> order, int rows) : ITeamJob
{
    public void Execute(int item, int worker) =>
        AffinePanel.Pack(sources.Target, rows, item, layout, order, target + item * layout.PanelBytes);
}
