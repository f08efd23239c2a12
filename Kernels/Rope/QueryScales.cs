using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Rope;

/// <summary>Temperature of long contexts for layers without rotation. positions [T], output [T, 1].</summary>
internal static unsafe partial class QueryScales
{
    /// <summary>output[i, 0] = 1 + attnScale · ln(1 + ⌊(position + 1) / floorScale⌋).</summary>
    /// <exception cref="ArgumentException">Shapes differ, or the floor scale is not positive.</exception>
    public static void Run(ReadOnlySpan<int> positions, float attnScale, float floorScale, Tensor output)
    {
        Check(MemoryPlace.Host, positions, floorScale, output);
        for (int i = 0; i < positions.Length; i++)
        {
            float step = MathF.Floor((positions[i] + 1f) / floorScale);
            output.Pointer[i] = 1f + attnScale * (float)Math.Log(1.0 + step);
        }
    }

    internal static void Check(MemoryPlace place, ReadOnlySpan<int> positions, float floorScale, Tensor output)
    {
        ShapeCheck.Require(output, place, positions.Length, 1, nameof(output));
        ShapeCheck.Require(floorScale > 0, "The floor scale must be positive.", nameof(floorScale));
    }
}
