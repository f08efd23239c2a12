using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Takes a panel's outputs of some rows to where they belong.</summary>
internal static unsafe class PanelOutputs
{
    /// <summary>Copies a tile, and adds a bias.</summary>
    /// <param name="tile">[rows, width]</param>
    /// <param name="width">Outputs of a panel, a multiple of 16.</param>
    /// <param name="rows">Rows of x.</param>
    /// <param name="bias">[outputs] or null</param>
    /// <param name="y">[rows, outputs]</param>
    /// <param name="outputs">Outputs of all panels.</param>
    /// <param name="column">The panel's first output; the last panel may have fewer than it has room for.</param>
    public static void Store(float* tile, int width, int rows, float* bias, float* y, int outputs, int column)
    {
        int own = Math.Min(width, outputs - column);
        float* to = y + column, add = bias + column;
        for (int r = 0; r < rows; r++, tile += width, to += outputs)
        {
            int i = 0;
            for (; i <= own - Vector512<float>.Count; i += Vector512<float>.Count)
            {
                Vector512<float> sum = Vector512.Load(tile + i);
                (bias == null ? sum : sum + Vector512.Load(add + i)).Store(to + i);
            }
            for (; i < own; i++)
            {
                to[i] = bias == null ? tile[i] : tile[i] + add[i];
            }
        }
    }
}
