using ILGPU;

namespace Llama4Kernels.Kernels.Numerics;

/// <summary>
/// Reductions over the threads of a group of up to <see cref="MaxThreads"/>, a power of two. Every thread must call them. The
/// order is a fixed tree, so equal input gives equal bits.
/// </summary>
public static class GroupReduce
{
    /// <summary>Largest group.</summary>
    public const int MaxThreads = 256;

    /// <summary>Sum over the group, the same in every thread. <paramref name="scratch"/> holds one float a thread.</summary>
    public static float Sum(float value, ArrayView<float> scratch)
    {
        int thread = Group.IdxX;
        scratch[thread] = value;
        Group.Barrier();
        for (int half = Group.DimX >> 1; half > 0; half >>= 1)
        {
            if (thread < half)
            {
                scratch[thread] = scratch[thread] + scratch[thread + half];
            }
            Group.Barrier();
        }
        float result = scratch[0];
        // The next reduction may overwrite the scratch only after everyone has read this one.
        Group.Barrier();
        return result;
    }
}
