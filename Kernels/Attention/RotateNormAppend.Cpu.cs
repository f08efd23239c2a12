using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Rope;
using Llama4Kernels.Kernels.Threading;
using Tensor = Llama4Kernels.Kernels.Contracts.Tensor;

namespace Llama4Kernels.Kernels.Attention;

internal static unsafe partial class RotateNormAppend
{
    private static void RunCpu(ThreadTeam team, Tensor qkv, AttentionShape shape, Tensor? angles, float? qkNormEps, Tensor? queryScales, KvLayout layout, ReadOnlySpan<KvSegment> segments)
    {
        float* anglePointer = angles is Tensor pairs ? pairs.Pointer : null;
        float* scalePointer = queryScales is Tensor scales ? scales.Pointer : null;
        foreach (KvSegment segment in segments)
        {
            team.Run(segment.Rows, new Job(qkv.Pointer, shape, anglePointer, qkNormEps ?? -1f, scalePointer, layout, segment));
        }
    }

    private static void Scale(float* x, float factor, int count)
    {
        Span<float> values = new(x, count);
        TensorPrimitives.Multiply(values, factor, values);
    }

    private static void NarrowBf16(float* source, ushort* destination, int count)
    {
        int c = 0;
        for (; c <= count - Vector512<float>.Count; c += Vector512<float>.Count)
        {
            // Round to nearest even on the bits; NaN keeps its upper half and is made quiet.
            Vector512<float> x = Vector512.Load(source + c);
            Vector512<uint> bits = x.AsUInt32();
            Vector512<uint> rounded = (bits + Vector512.Create(0x7fffu) + ((bits >> 16) & Vector512<uint>.One)) >> 16;
            Vector512<uint> quiet = (bits >> 16) | Vector512.Create(0x40u);
            Vector512<uint> result = Vector512.ConditionalSelect(Vector512.Equals(x, x).AsUInt32(), rounded, quiet);
            Vector256.Narrow(result.GetLower(), result.GetUpper()).Store(destination + c);
        }
        for (; c < count; c++)
        {
            destination[c] = Bf16.FromSingle(source[c]);
        }
    }

    /// <summary>One item: one row. A negative eps means no norm.</summary>
    private readonly struct Job(float* qkv, AttentionShape shape, float* angles, float qkNormEps, float* queryScales, KvLayout layout, KvSegment segment) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            int row = segment.FirstRow + item;
            int dim = shape.HeadDim;
            float* x = qkv + (long)row * shape.QkvColumns;
            for (int head = 0; head < shape.Heads + shape.KvHeads; head++)
            {
                float* vector = x + (long)head * dim;
                if (angles is not null)
                {
                    Rotation.Apply(vector, angles + (long)row * dim, dim);
                }
                if (qkNormEps >= 0f)
                {
                    Scale(vector, RmsNorm.InverseRms(vector, dim, qkNormEps), dim);
                }
            }
            if (queryScales is not null)
            {
                Scale(x, queryScales[row], shape.QueryColumns);
            }
            Append(x + shape.QueryColumns, segment.LocalPosition + item);
        }

        private void Append(float* keysAndValues, int position)
        {
            int dim = shape.HeadDim;
            nint page = ((nint*)segment.PageTable)[position / layout.PageTokens];
            int slot = position % layout.PageTokens;
            for (int head = 0; head < shape.KvHeads; head++)
            {
                // Keys stand [d, PageTokens] within a head: a lane of a score vector is a position.
                float* key = keysAndValues + (long)head * dim;
                long offset = (long)head * dim * layout.PageTokens + slot;
                for (int c = 0; c < dim; c++)
                {
                    if (layout.Format == KvFormat.F32)
                    {
                        ((float*)page)[offset + (long)c * layout.PageTokens] = key[c];
                    }
                    else
                    {
                        ((ushort*)page)[offset + (long)c * layout.PageTokens] = Bf16.FromSingle(key[c]);
                    }
                }
            }
            for (int head = 0; head < shape.KvHeads; head++)
            {
                float* value = keysAndValues + (long)(shape.KvHeads + head) * dim;
                long offset = ((long)(shape.KvHeads + head) * layout.PageTokens + slot) * dim;
                if (layout.Format == KvFormat.F32)
                {
                    new ReadOnlySpan<float>(value, dim).CopyTo(new Span<float>((float*)page + offset, dim));
                }
                else
                {
                    NarrowBf16(value, (ushort*)page + offset, dim);
                }
            }
        }
    }
}
