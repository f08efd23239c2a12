using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Quantization;

internal static unsafe partial class Int4Product
{
    private static void Run(CpuWorkspace workspace, in CpuOperands o, delegate*<byte*, byte*, int, int, float*, Lookahead, void> tile)
    {
        var w = (Int4Panels)o.Weights;
        IntegerPanels.Run(workspace, o, new IntegerPanels(w.Panel(0), w.Panels, Int4Panels.PanelRows, w.Groups, Int4Panels.BlockBytes, Int4Panels.Operand), tile);
        GC.KeepAlive(w);
    }
}
