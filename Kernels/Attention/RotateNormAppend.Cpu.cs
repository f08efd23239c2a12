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
        byte* blocks = (byte*)cache.Layer(layer);
        foreach (KvSegment segment in cache.Segments)
        {
            KvCodecs.Use(cache.Layout.Format, new Append(team, new Rows(
                qkv.Pointer, shape, anglePointer, qkNormEps ?? -1f, scalePointer, new KvTarget(cache.Layout, blocks), segment, cache.Table(segment))));
        }
    }

    private static void Scale(float* x, float factor, int count)
    {
        Span<float> values = new(x, count);
        TensorPrimitives.Multiply(values, factor, values);
    }

    /// <summary>Where keys and values go, as <see cref="KvLayout"/> has it.</summary>
    private readonly struct KvTarget(KvLayout layout, byte* blocks)
    {
        public readonly byte* Blocks = blocks;
        public readonly int BlockTokens = layout.BlockTokens;
        public readonly long BlockBytes = layout.BlockBytes;
        public readonly long HeadStride = layout.HeadStride;
        public readonly long KeyTokenStride = layout.KeyTokenStride;
        public readonly long KeyDimStride = layout.KeyDimStride;
        public readonly long ValueOffset = layout.ValueOffset;
        public readonly long ValueTokenStride = layout.ValueTokenStride;
    }

    /// <summary>Rows of one segment. A negative eps means no norm.</summary>
    private readonly record struct Rows(nint Qkv, AttentionShape Shape, nint Angles, float QkNormEps, nint QueryScales, KvTarget Target, KvSegment Segment, nint Table)
    {
        public Rows(float* qkv, AttentionShape shape, float* angles, float qkNormEps, float* queryScales, KvTarget target, KvSegment segment, int* table)
            : this((nint)qkv, shape, (nint)angles, qkNormEps, (nint)queryScales, target, segment, (nint)table)
        {
        }
    }

    private readonly struct Append(ThreadTeam team, Rows rows) : IKvUse
    {
        public void Run<TCodec>()
            where TCodec : struct, IKvCodec => team.Run(rows.Segment.Rows, new Job<TCodec>(rows));
    }

    /// <summary>One item: one row.</summary>
    private readonly struct Job<TCodec>(Rows rows) : ITeamJob
        where TCodec : struct, IKvCodec
    {
        public void Execute(int item, int worker)
        {
            AttentionShape shape = rows.Shape;
            int row = rows.Segment.FirstRow + item;
            int dim = shape.HeadDim;
            float* angles = (float*)rows.Angles;
            float* x = (float*)rows.Qkv + (long)row * shape.QkvColumns;
            for (int head = 0; head < shape.Heads + shape.KvHeads; head++)
            {
                float* vector = x + (long)head * dim;
                if (angles is not null)
                {
                    Rotation.Apply(vector, angles + (long)row * dim, dim);
                }
                if (rows.QkNormEps >= 0f)
                {
                    Scale(vector, RmsNorm.InverseRms(vector, dim, rows.QkNormEps), dim);
                }
            }
            if (rows.QueryScales != 0)
            {
                Scale(x, ((float*)rows.QueryScales)[row], shape.QueryColumns);
            }
            Store(x + shape.QueryColumns, rows.Segment.LocalPosition + item);
        }

        private void Store(float* keysAndValues, int position)
        {
            KvTarget to = rows.Target;
            (int dim, int kvHeads) = (rows.Shape.HeadDim, rows.Shape.KvHeads);
            byte* block = to.Blocks + ((int*)rows.Table)[position / to.BlockTokens] * to.BlockBytes;
            int slot = position % to.BlockTokens;
            for (int head = 0; head < kvHeads; head++)
            {
                long key = head * to.HeadStride + slot * to.KeyTokenStride;
                TCodec.Encode(keysAndValues + (long)head * dim, block + key * TCodec.Bytes, to.KeyDimStride, dim);
                long value = to.ValueOffset + head * to.HeadStride + slot * to.ValueTokenStride;
                TCodec.Encode(keysAndValues + (long)(kvHeads + head) * dim, block + value * TCodec.Bytes, 1, dim);
            }
        }
    }
}
