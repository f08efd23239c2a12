using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// As <see cref="WidePairTile"/> in vectors of 256 bits, of which there are 16: two rows times 32 columns in eight of them, four for
/// widened columns, two for operands. Each sum has the same chain.
/// </summary>
internal readonly unsafe struct MediumPairTile : IPairTile
{
    private const int Lanes = 8;

    public static int OperandBytes => sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> low, Vector512<float> high, byte* to) => WidePairTile.Store(low, high, to);

    public static void Weigh(PairUnit unit, int rows, int count, bool begins, float scale) => PairSoftmax.Weigh(unit, rows, count, begins, scale);

    public static void Multiply(in PairShape shape, PairRun* runs, byte* x, float* y, long count, float* factors, long ahead)
    {
        int stride = shape.IsScores ? PairTile.ScoreStride : PairTile.SumStride;
        PairRows rows = new(runs, count, 64 * shape.PanelVectors, shape.Asks > 0 ? ahead : -1);
        float* a = (float*)x;
        int row = 0;
        for (; row <= shape.Rows - 2; row += 2, a += 2 * PairTile.OperandStride, y += 2 * stride)
        {
            float* own = shape.Continues ? factors + row : null;
            int vector = 0;
            for (; vector <= shape.Vectors - 2; vector += 2)
            {
                TwoByFour(rows.From(vector, row), a, y + (16 * vector), stride, own);
            }
            if (vector < shape.Vectors)
            {
                OneByTwo(rows.From(vector, row), a, y + (16 * vector), own);
                OneByTwo(rows.From(vector, row).Quiet(), a + PairTile.OperandStride, y + stride + (16 * vector), own == null ? null : own + 1);
            }
        }
        for (int vector = 0; row < shape.Rows && vector < shape.Vectors; vector++)
        {
            OneByTwo(rows.From(vector, row), a, y + (16 * vector), shape.Continues ? factors + row : null);
        }
    }

    private static void TwoByFour(PairRows rows, float* a, float* y, int stride, float* factors)
    {
        float* b = a + PairTile.OperandStride, z = y + stride, other = factors == null ? null : factors + 1;
        Vector256<float> s0 = Start(y, factors), s1 = Start(y + Lanes, factors), s2 = Start(y + (2 * Lanes), factors), s3 = Start(y + (3 * Lanes), factors);
        Vector256<float> t0 = Start(z, other), t1 = Start(z + Lanes, other), t2 = Start(z + (2 * Lanes), other), t3 = Start(z + (3 * Lanes), other);
        while (rows.TryNext(out byte* line))
        {
            Vector256<float> p = Vector256.Create(*a++), q = Vector256.Create(*b++);
            Vector256<float> w0 = Low(line), w1 = Low(line + 32), w2 = Low(line + 64), w3 = Low(line + 96);
            s0 = Vector256.FusedMultiplyAdd(p, w0, s0);
            s1 = Vector256.FusedMultiplyAdd(p, w1, s1);
            s2 = Vector256.FusedMultiplyAdd(p, w2, s2);
            s3 = Vector256.FusedMultiplyAdd(p, w3, s3);
            t0 = Vector256.FusedMultiplyAdd(q, w0, t0);
            t1 = Vector256.FusedMultiplyAdd(q, w1, t1);
            t2 = Vector256.FusedMultiplyAdd(q, w2, t2);
            t3 = Vector256.FusedMultiplyAdd(q, w3, t3);
            if (rows.IsHalf)
            {
                continue;
            }
            p = Vector256.Create(*a++);
            q = Vector256.Create(*b++);
            w0 = High(line);
            w1 = High(line + 32);
            w2 = High(line + 64);
            w3 = High(line + 96);
            s0 = Vector256.FusedMultiplyAdd(p, w0, s0);
            s1 = Vector256.FusedMultiplyAdd(p, w1, s1);
            s2 = Vector256.FusedMultiplyAdd(p, w2, s2);
            s3 = Vector256.FusedMultiplyAdd(p, w3, s3);
            t0 = Vector256.FusedMultiplyAdd(q, w0, t0);
            t1 = Vector256.FusedMultiplyAdd(q, w1, t1);
            t2 = Vector256.FusedMultiplyAdd(q, w2, t2);
            t3 = Vector256.FusedMultiplyAdd(q, w3, t3);
        }
        s0.Store(y);
        s1.Store(y + Lanes);
        s2.Store(y + (2 * Lanes));
        s3.Store(y + (3 * Lanes));
        t0.Store(z);
        t1.Store(z + Lanes);
        t2.Store(z + (2 * Lanes));
        t3.Store(z + (3 * Lanes));
    }

    private static void OneByTwo(PairRows rows, float* a, float* y, float* factor)
    {
        Vector256<float> s0 = Start(y, factor), s1 = Start(y + Lanes, factor);
        while (rows.TryNext(out byte* line))
        {
            Vector256<float> p = Vector256.Create(*a++);
            s0 = Vector256.FusedMultiplyAdd(p, Low(line), s0);
            s1 = Vector256.FusedMultiplyAdd(p, Low(line + 32), s1);
            if (!rows.IsHalf)
            {
                p = Vector256.Create(*a++);
                s0 = Vector256.FusedMultiplyAdd(p, High(line), s0);
                s1 = Vector256.FusedMultiplyAdd(p, High(line + 32), s1);
            }
        }
        s0.Store(y);
        s1.Store(y + Lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Start(float* y, float* factor) => factor == null ? Vector256<float>.Zero : Vector256.Load(y) * Vector256.Create(*factor);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Low(byte* pairs) => (Vector256.Load((uint*)pairs) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> High(byte* pairs) => (Vector256.Load((uint*)pairs) & Vector256.Create(0xffff0000u)).AsSingle();
}
