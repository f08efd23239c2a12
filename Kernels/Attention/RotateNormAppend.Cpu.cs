using System.Numerics.Tensors;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Rope;
using Llama4Kernels.Kernels.Threading;
using Tensor = Llama4Kernels.Kernels.Contracts.Tensor;

namespace Llama4Kernels.Kernels.Attention;

internal static unsafe partial class RotateNormAppend
{
    private static void RunCpu(ThreadTeam team, Tensor qkv, AttentionShape shape, Tensor? angles, float? qkNormEps, Tensor? queryScales, CpuKvStep cache, int layer)
    {
        float* anglePointer = angles is Tensor pairs ? pairs.Pointer : null;
        float* scalePointer = queryScales is Tensor scales ? scales.Pointer : null;
        KvLayout layout = cache.Layout;
        byte* blocks = (byte*)cache.Layer(layer);
        if (layout.InPairs)
        {
            team.Run(cache.Rows, new Job<PairKvTarget>(qkv.Pointer, shape, anglePointer, qkNormEps ?? -1f, scalePointer, new PairKvTarget(layout, blocks), cache.Places));
        }
        else
        {
            team.Run(cache.Rows, new Job<PlainKvTarget>(qkv.Pointer, shape, anglePointer, qkNormEps ?? -1f, scalePointer, new PlainKvTarget(layout, blocks), cache.Places));
        }
    }

    private static void Scale(float* x, float factor, int count)
    {
        Span<float> values = new(x, count);
        TensorPrimitives.Multiply(values, factor, values);
    }

    /// <summary>
    /// One item: one row of the step, whatever its sequence. Rows that belong to none stay as they are. A negative eps means no norm.
    /// </summary>
    private readonly struct Job<TTarget>(float* qkv, AttentionShape shape, float* angles, float qkNormEps, float* queryScales, TTarget target, KvPlace* places) : ITeamJob
        where TTarget : unmanaged, IKvTarget
    {
        public void Execute(int item, int worker)
        {
            KvPlace place = places[item];
            if (place.Block < 0)
            {
                return;
            }
            int dim = shape.HeadDim;
            float* x = qkv + (long)item * shape.QkvColumns;
            for (int head = 0; head < shape.KvHeads; head++)
            {
                target.Ask(place, head);
            }
            for (int head = 0; head < shape.Heads + shape.KvHeads; head++)
            {
                float* vector = x + (long)head * dim;
                if (angles is not null)
                {
                    Rotation.Apply(vector, angles + (long)item * dim, dim);
                }
                if (qkNormEps >= 0f)
                {
                    Scale(vector, RmsNorm.InverseRms(vector, dim, qkNormEps), dim);
                }
            }
            if (queryScales is not null)
            {
                Scale(x, queryScales[item], shape.QueryColumns);
            }
            float* keys = x + shape.QueryColumns;
            for (int head = 0; head < shape.KvHeads; head++)
            {
                target.Store(place, head, keys + (long)head * dim, keys + (long)(shape.KvHeads + head) * dim);
            }
        }
    }
}
