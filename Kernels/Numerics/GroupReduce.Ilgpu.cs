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
        int left = Group.DimX;
        if (left % Warp.WarpSize == 0)
        {
            // Whole warps: lanes first, then one value of each warp.
            for (int distance = Warp.WarpSize >> 1; distance > 0; distance >>= 1)
            {
                value += Warp.ShuffleXor(value, distance);
            }
            left /= Warp.WarpSize;
            if (thread % Warp.WarpSize == 0)
            {
                scratch[thread / Warp.WarpSize] = value;
            }
        }
        else
        {
            scratch[thread] = value;
        }
        Group.Barrier();
        for (int half = left >> 1; half > 0; half >>= 1)
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

    /// <summary>Largest value over the group, NaN passed over, the same in every thread.</summary>
    public static float Max(float value, ArrayView<float> scratch)
    {
        int thread = Group.IdxX;
        scratch[thread] = value;
        Group.Barrier();
        for (int half = Group.DimX >> 1; half > 0; half >>= 1)
        {
            if (thread < half)
            {
                scratch[thread] = Larger(scratch[thread], scratch[thread + half]);
            }
            Group.Barrier();
        }
        float result = scratch[0];
        Group.Barrier();
        return result;
    }

    /// <summary>The larger of two numbers; if one is NaN, the other.</summary>
    public static float Larger(float a, float b) => a > b || DeviceMath.IsNaN(b) ? a : b;
}
