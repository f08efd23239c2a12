using System.Numerics.Tensors;
using System.Runtime.Intrinsics.X86;
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
        KvCodecs.Use(cache.Layout.Format, new Append(team, cache.Rows, new Rows(
            qkv.Pointer, shape, anglePointer, qkNormEps ?? -1f, scalePointer, new KvTarget(cache.Layout, (byte*)cache.Layer(layer)), cache.Places)));
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

    /// <summary>The step's rows. A negative eps means no norm.</summary>
    private readonly record struct Rows(nint Qkv, AttentionShape Shape, nint Angles, float QkNormEps, nint QueryScales, KvTarget Target, nint Places)
    {
        public Rows(float* qkv, AttentionShape shape, float* angles, float qkNormEps, float* queryScales, KvTarget target, KvPlace* places)
            : this((nint)qkv, shape, (nint)angles, qkNormEps, (nint)queryScales, target, (nint)places)
        {
        }
    }

    private readonly struct Append(ThreadTeam team, int count, Rows rows) : IKvUse
    {
        public void Run<TCodec>()
            where TCodec : struct, IKvCodec => team.Run(count, new Job<TCodec>(rows));
    }

    /// <summary>One item: one row of the step, whatever its sequence. Rows that belong to none stay as they are.</summary>
    private readonly struct Job<TCodec>(Rows rows) : ITeamJob
        where TCodec : struct, IKvCodec
    {
        public void Execute(int item, int worker)
        {
            KvPlace place = ((KvPlace*)rows.Places)[item];
            if (place.Block < 0)
            {
                return;
            }
            AttentionShape shape = rows.Shape;
            int dim = shape.HeadDim;
            float* angles = (float*)rows.Angles;
            float* x = (float*)rows.Qkv + (long)item * shape.QkvColumns;
            Ask(place);
            for (int head = 0; head < shape.Heads + shape.KvHeads; head++)
            {
                float* vector = x + (long)head * dim;
                if (angles is not null)
                {
                    Rotation.Apply(vector, angles + (long)item * dim, dim);
                }
                if (rows.QkNormEps >= 0f)
                {
                    Scale(vector, RmsNorm.InverseRms(vector, dim, rows.QkNormEps), dim);
                }
            }
            if (rows.QueryScales != 0)
            {
                Scale(x, ((float*)rows.QueryScales)[item], shape.QueryColumns);
            }
            Store(x + shape.QueryColumns, place);
        }

        /// <summary>A key's components lie in a line each, which nothing else fetches: they come while the row is rotated.</summary>
        private void Ask(KvPlace place)
        {
            if (!Sse.IsSupported)
            {
                return;
            }
            KvTarget to = rows.Target;
            for (int head = 0; head < rows.Shape.KvHeads; head++)
            {
                byte* key = to.Blocks + place.Block * to.BlockBytes + (head * to.HeadStride + place.Slot * to.KeyTokenStride) * TCodec.Bytes;
                for (int c = 0; c < rows.Shape.HeadDim; c++)
                {
                    Sse.Prefetch0(key + c * to.KeyDimStride * TCodec.Bytes);
                }
            }
        }

        private void Store(float* keysAndValues, KvPlace place)
        {
            KvTarget to = rows.Target;
            (int dim, int kvHeads) = (rows.Shape.HeadDim, rows.Shape.KvHeads);
            byte* block = to.Blocks + place.Block * to.BlockBytes;
            int slot = place.Slot;
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
