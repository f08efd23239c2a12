using ILGPU;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Activation;

/// <summary>silu(gate) · up on the device.</summary>
public static class SwiGluIlgpu
{
    /// <summary>Group (row, part of the columns): gateUp [T, 2·width], output [T, width].</summary>
    public static void Run(ArrayView<float> gateUp, ArrayView<float> output, int width)
    {
        long row = Grid.IdxX;
        for (int c = Grid.IdxY * Group.DimX + Group.IdxX; c < width; c += Group.DimX * Grid.DimY)
        {
            float gate = gateUp[row * 2 * width + c];
            float up = gateUp[row * 2 * width + width + c];
            output[row * width + c] = DeviceMath.Silu(gate) * up;
        }
    }
}
