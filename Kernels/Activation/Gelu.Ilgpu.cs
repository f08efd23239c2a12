using ILGPU;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Activation;

/// <summary>x · Φ(x) in place on the device.</summary>
public static class GeluIlgpu
{
    /// <summary>Thread (element), strided by the grid: x [count].</summary>
    public static void Run(ArrayView<float> x, long count)
    {
        long stride = (long)Grid.DimX * Group.DimX;
        for (long i = (long)Grid.IdxX * Group.DimX + Group.IdxX; i < count; i += stride)
        {
            x[i] = DeviceMath.Gelu(x[i]);
        }
    }
}
