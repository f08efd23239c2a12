using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Activation;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>The online softmax between the products of a unit, all its rows together.</summary>
internal static unsafe class PairSoftmax
{
    private const int Lanes = 16;

    /// <summary>Brings a query into a unit as operands, and what else a unit begins with.</summary>
    public static void StoreQuery<TTile>(float* from, int dim, PairUnit unit, int row)
        where TTile : struct, IPairTile
    {
        Vector512<float>.One.Store(unit.Ones);
        float* rest = stackalloc float[2 * Lanes];
        for (int c = 0; c < dim; c += 2 * Lanes)
        {
            byte* to = unit.Query(c / PairTile.OperandStride) + ((row * PairTile.OperandStride) + (c % PairTile.OperandStride)) * TTile.OperandBytes;
            float* part = from + c;
            if (dim - c < 2 * Lanes)
            {
                new Span<float>(rest, 2 * Lanes).Clear();
                new ReadOnlySpan<float>(part, dim - c).CopyTo(new Span<float>(rest, 2 * Lanes));
                part = rest;
            }
            TTile.Store(Vector512.Load(part), Vector512.Load(part + Lanes), to);
        }
    }

    /// <summary><see cref="IPairTile.Weigh"/> with weights in float32.</summary>
    public static void Weigh(PairUnit unit, int rows, int count, bool begins, float scale)
    {
        int vectors = (count + (2 * Lanes) - 1) / (2 * Lanes) * 2;
        Vector512<float> old = begins ? Vector512.Create(float.MinValue) : Vector512.Load(unit.Maximum);
        old.Store(unit.Maximum);
        for (int row = 0; row < rows; row++)
        {
            float* scores = unit.Scores + row * PairTile.ScoreStride;
            Hide(scores, count, vectors);
            Vector512<float> most = Vector512.MaxNative(Vector512.Load(scores), Vector512.Load(scores + Lanes));
            for (int i = 2; i < vectors; i += 2)
            {
                most = Vector512.MaxNative(most, Vector512.MaxNative(Vector512.Load(scores + i * Lanes), Vector512.Load(scores + (i + 1) * Lanes)));
            }
            unit.Maximum[row] = MathF.Max(unit.Maximum[row], MaxAcross(most));
        }
        VectorMath.Exp((old - Vector512.Load(unit.Maximum)) * scale).Store(unit.Factors);
        Vector512<float> exponent = Vector512.Create(scale * 1.44269504f);
        for (int row = 0; row < rows; row++)
        {
            float* scores = unit.Scores + row * PairTile.ScoreStride;
            float* weights = (float*)unit.Weights + row * PairTile.OperandStride;
            Vector512<float> reference = Vector512.Create(unit.Maximum[row]), sum = Vector512<float>.Zero;
            for (int i = 0; i < vectors; i += 2)
            {
                Vector512<float> low = VectorMath.Exp2((Vector512.Load(scores + i * Lanes) - reference) * exponent);
                Vector512<float> high = VectorMath.Exp2((Vector512.Load(scores + (i + 1) * Lanes) - reference) * exponent);
                low.Store(weights + i * Lanes);
                high.Store(weights + (i + 1) * Lanes);
                sum += low + high;
            }
            float* total = unit.Weight(row);
            (begins ? sum : Vector512.FusedMultiplyAdd(Vector512.Load(total), Vector512.Create(unit.Factors[row]), sum)).Store(total);
        }
    }

    /// <summary>A unit's part of the state of the tile's rows.</summary>
    public static void Finish(in AttentionPlan plan, in PairWork space, int token, int part, bool hasSeen, AttentionState state)
    {
        PairUnit unit = space.Unit(token, part);
        int first = token * plan.Group + space.FirstRow(part);
        for (int row = 0; row < space.Rows(part); row++)
        {
            state.Maximum[first + row] = hasSeen ? unit.Maximum[row] * plan.Scale : float.NegativeInfinity;
            state.Weight[first + row] = hasSeen ? Vector512.Sum(Vector512.Load(unit.Weight(row))) : 0f;
            for (int c = 0; hasSeen && c < plan.PaddedDim; c += Lanes)
            {
                float* sum = unit.Sum(c / PairTile.SumStride) + row * PairTile.SumStride + c % PairTile.SumStride;
                Vector512.Load(sum).Store(state.Sum + (long)(first + row) * plan.PaddedDim + c);
            }
            if (!hasSeen)
            {
                new Span<float>(state.Sum + (long)(first + row) * plan.PaddedDim, plan.PaddedDim).Clear();
            }
        }
    }

    /// <summary>What a row does not see becomes −∞, up to whole pairs of vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Hide(float* scores, int count, int vectors)
    {
        for (int i = count / Lanes; i < vectors; i++)
        {
            Vector512<int> seen = Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(count - i * Lanes));
            Vector512.ConditionalSelect(seen.AsSingle(), Vector512.Load(scores + i * Lanes), Vector512.Create(float.NegativeInfinity)).Store(scores + i * Lanes);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float MaxAcross(Vector512<float> x)
    {
        Vector256<float> half = Vector256.MaxNative(x.GetLower(), x.GetUpper());
        Vector128<float> quarter = Vector128.MaxNative(half.GetLower(), half.GetUpper());
        quarter = Vector128.MaxNative(quarter, Vector128.Shuffle(quarter, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(quarter, Vector128.Shuffle(quarter, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }
}
