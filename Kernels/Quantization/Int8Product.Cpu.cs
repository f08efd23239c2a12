using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Quantization;

internal static unsafe partial class Int8Product
{
    private static void Run(CpuWorkspace workspace, in CpuOperands o, delegate*<byte*, byte*, int, int, float*, Lookahead, void> tile)
    {
        var w = (Int8Panels)o.Weights;
        IntegerPanels.Run(workspace, o, new IntegerPanels(w.Panel(0), w.Panels, Int8Panels.PanelRows, w.Groups, Int8Panels.BlockBytes, Int8Panels.Operand), tile);
        GC.KeepAlive(w);
    }
}
