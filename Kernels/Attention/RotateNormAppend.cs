using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// What happens between the fused projection and attention: rotation, per-head RMS norm without weight, query temperature,
/// and the write of keys and values into the cache. qkv [T, (H+2K)·d] in place; angles [T, d]; queryScales [T, 1].
/// About 10·T·(H+K)·d FLOPs.
/// </summary>
internal static partial class RotateNormAppend
{
    /// <summary>Works on the rows that the step's segments cover.</summary>
    /// <exception cref="ArgumentException">Shapes differ, the head size is odd, or the cache is another backend's.</exception>
    public static void Run(ThreadTeam team, Tensor qkv, AttentionShape shape, Tensor? angles, float? qkNormEps, Tensor? queryScales, KvStep cache, int layer)
    {
        Check(MemoryPlace.Host, qkv, shape, angles, queryScales, cache);
        RunCpu(team, qkv, shape, angles, qkNormEps, queryScales, CpuKvStep.Of(cache), layer);
    }

    internal static void Check(MemoryPlace place, Tensor qkv, AttentionShape shape, Tensor? angles, Tensor? queryScales, KvStep cache)
    {
        PagedAttention.Check(place, qkv, shape, cache);
        if (angles is Tensor pairs)
        {
            ShapeCheck.Require(pairs, place, qkv.Rows, shape.HeadDim, nameof(angles));
            ShapeCheck.Require(shape.HeadDim % 2 == 0, "The head size is odd; rotation works on pairs.", nameof(shape));
        }
        if (queryScales is Tensor scales)
        {
            ShapeCheck.Require(scales, place, qkv.Rows, 1, nameof(queryScales));
        }
    }
}
