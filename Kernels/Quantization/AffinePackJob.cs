using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Packs the panels of a matrix for the processor. An item is a panel.</summary>
internal readonly unsafe struct AffinePackJob(
    GCHandle<CodedMatrix[]> sources, byte* target, AffineLayout layout, delegate*<int, byte*, int, uint*, void> order, bool inLines, int rows) : ITeamJob
{
    public void Execute(int item, int worker)
    {
        byte* panel = target + item * layout.PanelBytes;
        // Its pages at once: a fault for each of them is a third of what loading takes.
        HugePages.Populate((nint)panel, layout.PanelBytes);
        AffinePanel.Pack(sources.Target, rows, item, layout, order, panel, inLines);
    }
}
