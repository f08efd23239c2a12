using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Rope;

/// <summary>
/// Rotation angles. frequencies [d/2], positions [T], output [T, d] as pairs (cos θ_j, sin θ_j). The angle is the float32
/// product position · frequency; its cosine and sine are taken in float64 and rounded once, because arguments reach 10⁷.
/// </summary>
internal static partial class RopeAngles
{
    /// <summary>Fills <paramref name="output"/>.</summary>
    /// <exception cref="ArgumentException">Shapes differ.</exception>
    public static void Run(ThreadTeam team, ReadOnlySpan<float> frequencies, ReadOnlySpan<int> positions, Tensor output)
    {
        Check(MemoryPlace.Host, frequencies, positions, output);
        RunCpu(team, frequencies, positions, output);
    }

    internal static void Check(MemoryPlace place, ReadOnlySpan<float> frequencies, ReadOnlySpan<int> positions, Tensor output) =>
        ShapeCheck.Require(output, place, positions.Length, 2 * frequencies.Length, nameof(output));
}
