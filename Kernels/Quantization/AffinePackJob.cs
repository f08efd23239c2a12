using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Packs the panels of a matrix for the processor. An item is a panel, or a few where rows have to be turned (<see cref="TurnedRows"/>).</summary>
internal readonly unsafe struct AffinePackJob(
    GCHandle<CodedMatrix[]> sources, byte* target, AffineLayout layout, delegate*<int, byte*, int, uint*, void> order, bool inLines, int rows, int panelsPerItem) : ITeamJob
{
    public void Execute(int item, int worker)
    {
        if (panelsPerItem == 1)
        {
            Pack(sources.Target, rows, item, target + item * layout.PanelBytes);
            return;
        }
        const int Rows = AffineLayout.PanelRows;
        int first = item * panelsPerItem, count = Math.Min(panelsPerItem, AffinePanel.Count(rows) - first), own = Math.Min(count * Rows, rows - first * Rows);
        using var turned = new TurnedRows(sources.Target, first * Rows, own);
        CodedMatrix[] stack = Array.ConvertAll(turned.Sources, source => (CodedMatrix)source);
        for (int panel = 0; panel < count; panel++)
        {
            Pack(stack, own, panel, target + (first + panel) * layout.PanelBytes);
        }
    }

    private void Pack(CodedMatrix[] stack, int stackRows, int index, byte* panel)
    {
        // Its pages at once: a fault for each of them is a third of what loading takes.
        HugePages.Populate((nint)panel, layout.PanelBytes);
        AffinePanel.Pack(stack, stackRows, index, layout, order, panel, inLines);
    }
}
