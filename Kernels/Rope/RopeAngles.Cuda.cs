using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Rope;

/// <summary><see cref="RopeAngles"/> on a device.</summary>
internal static unsafe class RopeAnglesCuda
{
    /// <summary>
    /// As <see cref="RopeAngles.Run"/>, for a device: computed on the host in the same way, because arguments reach 10⁷ and a
    /// device would need float64, and sent along with the step.
    /// </summary>
    /// <exception cref="ArgumentException">Shapes differ.</exception>
    public static void Run(CudaQueue queue, ReadOnlySpan<float> frequencies, ReadOnlySpan<int> positions, Tensor output)
    {
        RopeAngles.Check(MemoryPlace.Device, frequencies, positions, output);
        float[] angles = queue.HostValues(positions.Length * output.Columns);
        fixed (float* pairs = angles)
        {
            for (int row = 0; row < positions.Length; row++)
            {
                RopeAngles.Fill(frequencies, positions[row], pairs + (long)row * output.Columns);
            }
        }
        queue.Upload<float>(angles.AsSpan(0, positions.Length * output.Columns), output.Address);
    }
}
