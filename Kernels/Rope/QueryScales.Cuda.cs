using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Rope;

/// <summary><see cref="QueryScales"/> on a device.</summary>
internal static unsafe class QueryScalesCuda
{
    /// <summary>As <see cref="QueryScales.Run"/>, for a device: computed on the host and sent along with the step.</summary>
    /// <exception cref="ArgumentException">Shapes differ, or the floor scale is not positive.</exception>
    public static void Run(CudaQueue queue, ReadOnlySpan<int> positions, float attnScale, float floorScale, Tensor output)
    {
        QueryScales.Check(MemoryPlace.Device, positions, floorScale, output);
        float[] values = queue.HostValues(positions.Length);
        fixed (float* host = values)
        {
            QueryScales.Run(positions, attnScale, floorScale, output with { Address = (nint)host, Place = MemoryPlace.Host });
        }
        queue.Upload<float>(values.AsSpan(0, positions.Length), output.Address);
    }
}
