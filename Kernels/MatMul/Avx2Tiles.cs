using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>Tiles of 1 to 3 tokens in 256-bit registers: 12 sums, three broadcasts, one weight vector.</summary>
/// <remarks>Named locals, because only those stay in registers.</remarks>
internal readonly unsafe struct Avx2Tiles<TWeights> : ITiles
    where TWeights : IWeightFormat
{
    public static int MaxTokens => 3;

    public static bool Bf16Pairs => false;

    public static int Fit(int tokens) => tokens == 1 ? 1 : tokens <= 2 ? 2 : 3;

    public static void Run(int tokens, byte* x, byte* w, int steps, float* c, long cStride, bool accumulate)
    {
        switch (tokens)
        {
            case 1:
                Tile1((float*)x, w, steps, c, cStride, accumulate);
                break;
            case 2:
                Tile2((float*)x, w, steps, c, cStride, accumulate);
                break;
            default:
                Tile3((float*)x, w, steps, c, cStride, accumulate);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1(float* x, byte* w, int steps, float* c, long cStride, bool accumulate)
    {
        Vector256<float> a0 = default, b0 = default, c0 = default, d0 = default;
        if (accumulate)
        {
            a0 = Vector256.Load(c);
            b0 = Vector256.Load(c + 8);
            c0 = Vector256.Load(c + 16);
            d0 = Vector256.Load(c + 24);
        }
        for (int s = 0; s < steps; s++)
        {
            Vector256<float> x0 = Vector256.Create(x[0]);
            Vector256<float> u = TWeights.Even256(w, 0);
            a0 = Vector256.FusedMultiplyAdd(u, x0, a0);
            u = TWeights.Even256(w, 1);
            b0 = Vector256.FusedMultiplyAdd(u, x0, b0);
            u = TWeights.Even256(w, 2);
            c0 = Vector256.FusedMultiplyAdd(u, x0, c0);
            u = TWeights.Even256(w, 3);
            d0 = Vector256.FusedMultiplyAdd(u, x0, d0);
            x0 = Vector256.Create(x[1]);
            u = TWeights.Odd256(w, 0);
            a0 = Vector256.FusedMultiplyAdd(u, x0, a0);
            u = TWeights.Odd256(w, 1);
            b0 = Vector256.FusedMultiplyAdd(u, x0, b0);
            u = TWeights.Odd256(w, 2);
            c0 = Vector256.FusedMultiplyAdd(u, x0, c0);
            u = TWeights.Odd256(w, 3);
            d0 = Vector256.FusedMultiplyAdd(u, x0, d0);
            x += 2;
            w += TWeights.StepBytes;
        }
        a0.Store(c);
        b0.Store(c + 8);
        c0.Store(c + 16);
        d0.Store(c + 24);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile2(float* x, byte* w, int steps, float* c, long cStride, bool accumulate)
    {
        Vector256<float> a0 = default, b0 = default, c0 = default, d0 = default;
        Vector256<float> a1 = default, b1 = default, c1 = default, d1 = default;
        if (accumulate)
        {
            a0 = Vector256.Load(c);
            b0 = Vector256.Load(c + 8);
            c0 = Vector256.Load(c + 16);
            d0 = Vector256.Load(c + 24);
            a1 = Vector256.Load(c + cStride);
            b1 = Vector256.Load(c + cStride + 8);
            c1 = Vector256.Load(c + cStride + 16);
            d1 = Vector256.Load(c + cStride + 24);
        }
        for (int s = 0; s < steps; s++)
        {
            Vector256<float> x0 = Vector256.Create(x[0]);
            Vector256<float> x1 = Vector256.Create(x[1]);
            Vector256<float> u = TWeights.Even256(w, 0);
            a0 = Vector256.FusedMultiplyAdd(u, x0, a0);
            a1 = Vector256.FusedMultiplyAdd(u, x1, a1);
            u = TWeights.Even256(w, 1);
            b0 = Vector256.FusedMultiplyAdd(u, x0, b0);
            b1 = Vector256.FusedMultiplyAdd(u, x1, b1);
            u = TWeights.Even256(w, 2);
            c0 = Vector256.FusedMultiplyAdd(u, x0, c0);
            c1 = Vector256.FusedMultiplyAdd(u, x1, c1);
            u = TWeights.Even256(w, 3);
            d0 = Vector256.FusedMultiplyAdd(u, x0, d0);
            d1 = Vector256.FusedMultiplyAdd(u, x1, d1);
            x0 = Vector256.Create(x[2]);
            x1 = Vector256.Create(x[3]);
            u = TWeights.Odd256(w, 0);
            a0 = Vector256.FusedMultiplyAdd(u, x0, a0);
            a1 = Vector256.FusedMultiplyAdd(u, x1, a1);
            u = TWeights.Odd256(w, 1);
            b0 = Vector256.FusedMultiplyAdd(u, x0, b0);
            b1 = Vector256.FusedMultiplyAdd(u, x1, b1);
            u = TWeights.Odd256(w, 2);
            c0 = Vector256.FusedMultiplyAdd(u, x0, c0);
            c1 = Vector256.FusedMultiplyAdd(u, x1, c1);
            u = TWeights.Odd256(w, 3);
            d0 = Vector256.FusedMultiplyAdd(u, x0, d0);
            d1 = Vector256.FusedMultiplyAdd(u, x1, d1);
            x += 4;
            w += TWeights.StepBytes;
        }
        a0.Store(c);
        b0.Store(c + 8);
        c0.Store(c + 16);
        d0.Store(c + 24);
        a1.Store(c + cStride);
        b1.Store(c + cStride + 8);
        c1.Store(c + cStride + 16);
        d1.Store(c + cStride + 24);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile3(float* x, byte* w, int steps, float* c, long cStride, bool accumulate)
    {
        Vector256<float> a0 = default, b0 = default, c0 = default, d0 = default;
        Vector256<float> a1 = default, b1 = default, c1 = default, d1 = default;
        Vector256<float> a2 = default, b2 = default, c2 = default, d2 = default;
        if (accumulate)
        {
            a0 = Vector256.Load(c);
            b0 = Vector256.Load(c + 8);
            c0 = Vector256.Load(c + 16);
            d0 = Vector256.Load(c + 24);
            a1 = Vector256.Load(c + cStride);
            b1 = Vector256.Load(c + cStride + 8);
            c1 = Vector256.Load(c + cStride + 16);
            d1 = Vector256.Load(c + cStride + 24);
            a2 = Vector256.Load(c + 2 * cStride);
            b2 = Vector256.Load(c + 2 * cStride + 8);
            c2 = Vector256.Load(c + 2 * cStride + 16);
            d2 = Vector256.Load(c + 2 * cStride + 24);
        }
        for (int s = 0; s < steps; s++)
        {
            Vector256<float> x0 = Vector256.Create(x[0]);
            Vector256<float> x1 = Vector256.Create(x[1]);
            Vector256<float> x2 = Vector256.Create(x[2]);
            Vector256<float> u = TWeights.Even256(w, 0);
            a0 = Vector256.FusedMultiplyAdd(u, x0, a0);
            a1 = Vector256.FusedMultiplyAdd(u, x1, a1);
            a2 = Vector256.FusedMultiplyAdd(u, x2, a2);
            u = TWeights.Even256(w, 1);
            b0 = Vector256.FusedMultiplyAdd(u, x0, b0);
            b1 = Vector256.FusedMultiplyAdd(u, x1, b1);
            b2 = Vector256.FusedMultiplyAdd(u, x2, b2);
            u = TWeights.Even256(w, 2);
            c0 = Vector256.FusedMultiplyAdd(u, x0, c0);
            c1 = Vector256.FusedMultiplyAdd(u, x1, c1);
            c2 = Vector256.FusedMultiplyAdd(u, x2, c2);
            u = TWeights.Even256(w, 3);
            d0 = Vector256.FusedMultiplyAdd(u, x0, d0);
            d1 = Vector256.FusedMultiplyAdd(u, x1, d1);
            d2 = Vector256.FusedMultiplyAdd(u, x2, d2);
            x0 = Vector256.Create(x[3]);
            x1 = Vector256.Create(x[4]);
            x2 = Vector256.Create(x[5]);
            u = TWeights.Odd256(w, 0);
            a0 = Vector256.FusedMultiplyAdd(u, x0, a0);
            a1 = Vector256.FusedMultiplyAdd(u, x1, a1);
            a2 = Vector256.FusedMultiplyAdd(u, x2, a2);
            u = TWeights.Odd256(w, 1);
            b0 = Vector256.FusedMultiplyAdd(u, x0, b0);
            b1 = Vector256.FusedMultiplyAdd(u, x1, b1);
            b2 = Vector256.FusedMultiplyAdd(u, x2, b2);
            u = TWeights.Odd256(w, 2);
            c0 = Vector256.FusedMultiplyAdd(u, x0, c0);
            c1 = Vector256.FusedMultiplyAdd(u, x1, c1);
            c2 = Vector256.FusedMultiplyAdd(u, x2, c2);
            u = TWeights.Odd256(w, 3);
            d0 = Vector256.FusedMultiplyAdd(u, x0, d0);
            d1 = Vector256.FusedMultiplyAdd(u, x1, d1);
            d2 = Vector256.FusedMultiplyAdd(u, x2, d2);
            x += 6;
            w += TWeights.StepBytes;
        }
        a0.Store(c);
        b0.Store(c + 8);
        c0.Store(c + 16);
        d0.Store(c + 24);
        a1.Store(c + cStride);
        b1.Store(c + cStride + 8);
        c1.Store(c + cStride + 16);
        d1.Store(c + cStride + 24);
        a2.Store(c + 2 * cStride);
        b2.Store(c + 2 * cStride + 8);
        c2.Store(c + 2 * cStride + 16);
        d2.Store(c + 2 * cStride + 24);
    }
}
