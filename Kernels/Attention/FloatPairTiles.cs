using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Products of float32 operands with keys and values that are widened in the registers, in vectors of 512 bits: exact but for
/// float32 sums.
/// </summary>
internal readonly unsafe struct WidePairTile : IPairTile
{
    public static int OperandBytes => sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> low, Vector512<float> high, byte* to)
    {
        low.Store((float*)to);
        high.Store((float*)to + Vector512<float>.Count);
    }

    public static void Weigh(PairUnit unit, int rows, int count, bool begins, float scale) => PairSoftmax.Weigh(unit, rows, count, begins, scale);

    public static void Multiply(in PairShape shape, PairRun* runs, byte* x, float* y, long count, float* factors, long ahead)
    {
        int stride = shape.IsScores ? PairTile.ScoreStride : PairTile.SumStride;
        PairRows rows = new(runs, count, 64 * shape.PanelVectors, shape.Asks > 0 ? ahead : -1);
        float* a = (float*)x;
        int row = 0;
        for (; row <= shape.Rows - 2; row += 2, a += 2 * PairTile.OperandStride, y += 2 * stride)
        {
            int vector = 0;
            for (; vector <= shape.Vectors - 4; vector += 4)
            {
                TwoByFour(rows.From(vector, row), a, y + (16 * vector), stride, shape.Continues ? factors + row : null);
            }
            for (; vector < shape.Vectors; vector++)
            {
                TwoByOne(rows.From(vector, row), a, y + (16 * vector), stride, shape.Continues ? factors + row : null);
            }
        }
        for (int vector = 0; row < shape.Rows && vector < shape.Vectors; vector++)
        {
            One(rows.From(vector, row), a, y + (16 * vector), shape.Continues ? factors + row : null);
        }
    }

    private static void TwoByFour(PairRows rows, float* a, float* y, int stride, float* factors)
    {
        float* b = a + PairTile.OperandStride, z = y + stride;
        Vector512<float> s0 = Start(y, factors), s1 = Start(y + 16, factors), s2 = Start(y + 32, factors), s3 = Start(y + 48, factors);
        float* other = factors == null ? null : factors + 1;
        Vector512<float> t0 = Start(z, other), t1 = Start(z + 16, other), t2 = Start(z + 32, other), t3 = Start(z + 48, other);
        while (rows.TryNext(out byte* line))
        {
            Vector512<float> p = Vector512.Create(*a++), q = Vector512.Create(*b++);
            Vector512<uint> l0 = Vector512.Load((uint*)line), l1 = Vector512.Load((uint*)line + 16), l2 = Vector512.Load((uint*)line + 32), l3 = Vector512.Load((uint*)line + 48);
            Vector512<float> w0 = Low(l0), w1 = Low(l1), w2 = Low(l2), w3 = Low(l3);
            s0 = Vector512.FusedMultiplyAdd(p, w0, s0);
            s1 = Vector512.FusedMultiplyAdd(p, w1, s1);
            s2 = Vector512.FusedMultiplyAdd(p, w2, s2);
            s3 = Vector512.FusedMultiplyAdd(p, w3, s3);
            t0 = Vector512.FusedMultiplyAdd(q, w0, t0);
            t1 = Vector512.FusedMultiplyAdd(q, w1, t1);
            t2 = Vector512.FusedMultiplyAdd(q, w2, t2);
            t3 = Vector512.FusedMultiplyAdd(q, w3, t3);
            if (rows.IsHalf)
            {
                continue;
            }
            p = Vector512.Create(*a++);
            q = Vector512.Create(*b++);
            w0 = High(l0);
            w1 = High(l1);
            w2 = High(l2);
            w3 = High(l3);
            s0 = Vector512.FusedMultiplyAdd(p, w0, s0);
            s1 = Vector512.FusedMultiplyAdd(p, w1, s1);
            s2 = Vector512.FusedMultiplyAdd(p, w2, s2);
            s3 = Vector512.FusedMultiplyAdd(p, w3, s3);
            t0 = Vector512.FusedMultiplyAdd(q, w0, t0);
            t1 = Vector512.FusedMultiplyAdd(q, w1, t1);
            t2 = Vector512.FusedMultiplyAdd(q, w2, t2);
            t3 = Vector512.FusedMultiplyAdd(q, w3, t3);
        }
        s0.Store(y);
        s1.Store(y + 16);
        s2.Store(y + 32);
        s3.Store(y + 48);
        t0.Store(z);
        t1.Store(z + 16);
        t2.Store(z + 32);
        t3.Store(z + 48);
    }

    private static void TwoByOne(PairRows rows, float* a, float* y, int stride, float* factors)
    {
        One(rows, a, y, factors);
        One(rows.Quiet(), a + PairTile.OperandStride, y + stride, factors == null ? null : factors + 1);
    }

    private static void One(PairRows rows, float* a, float* y, float* factors)
    {
        Vector512<float> sum = Start(y, factors);
        while (rows.TryNext(out byte* line))
        {
            Vector512<uint> pair = Vector512.Load((uint*)line);
            sum = Vector512.FusedMultiplyAdd(Vector512.Create(*a++), Low(pair), sum);
            if (!rows.IsHalf)
            {
                sum = Vector512.FusedMultiplyAdd(Vector512.Create(*a++), High(pair), sum);
            }
        }
        sum.Store(y);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Start(float* y, float* factor) => factor == null ? Vector512<float>.Zero : Vector512.Load(y) * Vector512.Create(*factor);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Low(Vector512<uint> pair) => (pair << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> High(Vector512<uint> pair) => (pair & Vector512.Create(0xffff0000u)).AsSingle();
}

/// <summary>As <see cref="WidePairTile"/> in vectors of 128 bits, or without any: each sum has the same chain.</summary>
internal readonly unsafe struct NarrowPairTile : IPairTile
{
    public static int OperandBytes => sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> low, Vector512<float> high, byte* to) => WidePairTile.Store(low, high, to);

    public static void Weigh(PairUnit unit, int rows, int count, bool begins, float scale) => PairSoftmax.Weigh(unit, rows, count, begins, scale);

    public static void Multiply(in PairShape shape, PairRun* runs, byte* x, float* y, long count, float* factors, long ahead)
    {
        int stride = shape.IsScores ? PairTile.ScoreStride : PairTile.SumStride;
        PairRows rows = new(runs, count, 64 * shape.PanelVectors, shape.Asks > 0 ? ahead : -1);
        for (int row = 0; row < shape.Rows; row++)
        {
            for (int vector = 0; vector < shape.Vectors; vector++)
            {
                One(rows.From(vector, row), (float*)x + (row * PairTile.OperandStride), y + (row * stride) + (16 * vector), shape.Continues ? factors + row : null);
            }
        }
    }

    private static void One(PairRows rows, float* a, float* y, float* factors)
    {
        Vector128<float> s0 = Start(y, factors), s1 = Start(y + 4, factors), s2 = Start(y + 8, factors), s3 = Start(y + 12, factors);
        Vector128<uint> upper = Vector128.Create(0xffff0000u);
        while (rows.TryNext(out byte* line))
        {
            Vector128<uint> l0 = Vector128.Load((uint*)line), l1 = Vector128.Load((uint*)line + 4), l2 = Vector128.Load((uint*)line + 8), l3 = Vector128.Load((uint*)line + 12);
            Vector128<float> p = Vector128.Create(*a++);
            s0 = Vector128.FusedMultiplyAdd(p, (l0 << 16).AsSingle(), s0);
            s1 = Vector128.FusedMultiplyAdd(p, (l1 << 16).AsSingle(), s1);
            s2 = Vector128.FusedMultiplyAdd(p, (l2 << 16).AsSingle(), s2);
            s3 = Vector128.FusedMultiplyAdd(p, (l3 << 16).AsSingle(), s3);
            if (!rows.IsHalf)
            {
                p = Vector128.Create(*a++);
                s0 = Vector128.FusedMultiplyAdd(p, (l0 & upper).AsSingle(), s0);
                s1 = Vector128.FusedMultiplyAdd(p, (l1 & upper).AsSingle(), s1);
                s2 = Vector128.FusedMultiplyAdd(p, (l2 & upper).AsSingle(), s2);
                s3 = Vector128.FusedMultiplyAdd(p, (l3 & upper).AsSingle(), s3);
            }
        }
        s0.Store(y);
        s1.Store(y + 4);
        s2.Store(y + 8);
        s3.Store(y + 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Start(float* y, float* factor) => factor == null ? Vector128<float>.Zero : Vector128.Load(y) * Vector128.Create(*factor);
}
