using ILGPU;

namespace Llama4Kernels.Kernels.Activation;

/// <summary>destination += x on the device.</summary>
public static class ResidualAddIlgpu
{
    /// <summary>Thread (element), strided by the grid: x, destination [count].</summary>
    public static void Run(ArrayView<float> x, ArrayView<float> destination, long count)
    {
        long stride = (long)Grid.DimX * Group.DimX;
        for (long i = (long)Grid.IdxX * Group.DimX + Group.IdxX; i < count; i += stride)
        {
            destination[i] = destination[i] + x[i];
        }
    }
}
