using ILGPU;

namespace Llama4Kernels.Kernels.Numerics;

/// <summary>
/// Reductions over the threads of a group of up to <see cref="MaxThreads"/>, a power of two. Every thread must call them. First
/// the lanes of whole warps exchange values, then each thread goes through what the warps (or the threads of a group smaller
/// than one) left in shared memory. The order is fixed, so equal input gives equal bits.
/// </summary>
public static class GroupReduce
{
    /// <summary>Largest group.</summary>
    public const int MaxThreads = 256;

    /// <summary>Sum over the group, the same in every thread. <paramref name="scratch"/> holds one float a thread.</summary>
    public static float Sum(float value, ArrayView<float> scratch)
    {
        int parts = Group.DimX;
        int part = Group.IdxX;
        if (parts % Warp.WarpSize == 0)
        {
            for (int distance = Warp.WarpSize >> 1; distance > 0; distance >>= 1)
            {
                value += Warp.ShuffleXor(value, distance);
            }
            parts /= Warp.WarpSize;
            part /= Warp.WarpSize;
        }
        Share(value, scratch, part);
        float result = scratch[0];
        for (int i = 1; i < parts; i++)
        {
            result += scratch[i];
        }
        // The next reduction may overwrite the scratch only after everyone has read this one.
        Group.Barrier();
        return result;
    }

    /// <summary>The sum (v0 + v1) + (v2 + v3) over each four neighbouring threads, the same in all four; in a group of two over both.</summary>
    public static float SumOfFour(float value, ArrayView<float> scratch)
    {
        if (Group.DimX % Warp.WarpSize == 0)
        {
            value += Warp.ShuffleXor(value, 1);
            return value + Warp.ShuffleXor(value, 2);
        }
        scratch[Group.IdxX] = value;
        Group.Barrier();
        int first = Group.IdxX / 4 * 4;
        float sum = scratch[first];
        if (Group.DimX > 1)
        {
            sum += scratch[first + 1];
        }
        if (Group.DimX > 2)
        {
            sum += scratch[first + 2] + scratch[first + 3];
        }
        Group.Barrier();
        return sum;
    }

    /// <summary>Largest value over the group, NaN passed over, the same in every thread.</summary>
    public static float Max(float value, ArrayView<float> scratch)
    {
        int parts = Group.DimX;
        int part = Group.IdxX;
        if (parts % Warp.WarpSize == 0)
        {
            for (int distance = Warp.WarpSize >> 1; distance > 0; distance >>= 1)
            {
                value = Larger(value, Warp.ShuffleXor(value, distance));
            }
            parts /= Warp.WarpSize;
            part /= Warp.WarpSize;
        }
        Share(value, scratch, part);
        float result = scratch[0];
        for (int i = 1; i < parts; i++)
        {
            result = Larger(result, scratch[i]);
        }
        Group.Barrier();
        return result;
    }

    /// <summary>The larger of two numbers; if one is NaN, the other.</summary>
    public static float Larger(float a, float b) => a > b || DeviceMath.IsNaN(b) ? a : b;

    private static void Share(float value, ArrayView<float> scratch, int part)
    {
        if (Group.DimX % Warp.WarpSize != 0 || Group.IdxX % Warp.WarpSize == 0)
        {
            scratch[part] = value;
        }
        Group.Barrier();
    }
}
