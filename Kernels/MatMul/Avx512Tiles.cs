using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>Tiles of 1 to 12 tokens in 512-bit registers: 24 sums, two weight vectors, one broadcast.</summary>
/// <remarks>Named locals, because only those stay in registers.</remarks>
internal readonly unsafe struct Avx512Tiles<TWeights> : ITiles
    where TWeights : IWeightFormat
{
    public static int MaxTokens => 12;

    public static bool Bf16Pairs => false;

    public static int Fit(int tokens) => tokens == 1 ? 1 : tokens <= 2 ? 2 : tokens <= 4 ? 4 : tokens <= 8 ? 8 : 12;

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
            case 4:
                Tile4((float*)x, w, steps, c, cStride, accumulate);
                break;
            case 8:
                Tile8((float*)x, w, steps, c, cStride, accumulate);
                break;
            default:
                Tile12((float*)x, w, steps, c, cStride, accumulate);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1(float* x, byte* w, int steps, float* c, long cStride, bool accumulate)
    {
        Vector512<float> a0 = default, b0 = default;
        if (accumulate)
        {
            a0 = Vector512.Load(c);
            b0 = Vector512.Load(c + 16);
        }
        for (int s = 0; s < steps; s++)
        {
            Vector512<float> u = TWeights.Even512(w, 0);
            Vector512<float> v = TWeights.Even512(w, 1);
            Vector512<float> x0 = Vector512.Create(x[0]);
            a0 = Vector512.FusedMultiplyAdd(u, x0, a0);
            b0 = Vector512.FusedMultiplyAdd(v, x0, b0);
            u = TWeights.Odd512(w, 0);
            v = TWeights.Odd512(w, 1);
            x0 = Vector512.Create(x[1]);
            a0 = Vector512.FusedMultiplyAdd(u, x0, a0);
            b0 = Vector512.FusedMultiplyAdd(v, x0, b0);
            x += 2;
            w += TWeights.StepBytes;
        }
        a0.Store(c);
        b0.Store(c + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile2(float* x, byte* w, int steps, float* c, long cStride, bool accumulate)
    {
        Vector512<float> a0 = default, b0 = default;
        Vector512<float> a1 = default, b1 = default;
        if (accumulate)
        {
            a0 = Vector512.Load(c);
            b0 = Vector512.Load(c + 16);
            a1 = Vector512.Load(c + cStride);
            b1 = Vector512.Load(c + cStride + 16);
        }
        for (int s = 0; s < steps; s++)
        {
            Vector512<float> u = TWeights.Even512(w, 0);
            Vector512<float> v = TWeights.Even512(w, 1);
            Vector512<float> x0 = Vector512.Create(x[0]);
            a0 = Vector512.FusedMultiplyAdd(u, x0, a0);
            b0 = Vector512.FusedMultiplyAdd(v, x0, b0);
            x0 = Vector512.Create(x[1]);
            a1 = Vector512.FusedMultiplyAdd(u, x0, a1);
            b1 = Vector512.FusedMultiplyAdd(v, x0, b1);
            u = TWeights.Odd512(w, 0);
            v = TWeights.Odd512(w, 1);
            x0 = Vector512.Create(x[2]);
            a0 = Vector512.FusedMultiplyAdd(u, x0, a0);
            b0 = Vector512.FusedMultiplyAdd(v, x0, b0);
            x0 = Vector512.Create(x[3]);
            a1 = Vector512.FusedMultiplyAdd(u, x0, a1);
            b1 = Vector512.FusedMultiplyAdd(v, x0, b1);
            x += 4;
            w += TWeights.StepBytes;
        }
        a0.Store(c);
        b0.Store(c + 16);
        a1.Store(c + cStride);
        b1.Store(c + cStride + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4(float* x, byte* w, int steps, float* c, long cStride, bool accumulate)
    {
        Vector512<float> a0 = default, b0 = default;
        Vector512<float> a1 = default, b1 = default;
        Vector512<float> a2 = default, b2 = default;
        Vector512<float> a3 = default, b3 = default;
        if (accumulate)
        {
            a0 = Vector512.Load(c);
            b0 = Vector512.Load(c + 16);
            a1 = Vector512.Load(c + cStride);
            b1 = Vector512.Load(c + cStride + 16);
            a2 = Vector512.Load(c + 2 * cStride);
            b2 = Vector512.Load(c + 2 * cStride + 16);
            a3 = Vector512.Load(c + 3 * cStride);
            b3 = Vector512.Load(c + 3 * cStride + 16);
        }
        for (int s = 0; s < steps; s++)
        {
            Vector512<float> u = TWeights.Even512(w, 0);
            Vector512<float> v = TWeights.Even512(w, 1);
            Vector512<float> x0 = Vector512.Create(x[0]);
            a0 = Vector512.FusedMultiplyAdd(u, x0, a0);
            b0 = Vector512.FusedMultiplyAdd(v, x0, b0);
            x0 = Vector512.Create(x[1]);
            a1 = Vector512.FusedMultiplyAdd(u, x0, a1);
            b1 = Vector512.FusedMultiplyAdd(v, x0, b1);
            x0 = Vector512.Create(x[2]);
            a2 = Vector512.FusedMultiplyAdd(u, x0, a2);
            b2 = Vector512.FusedMultiplyAdd(v, x0, b2);
            x0 = Vector512.Create(x[3]);
            a3 = Vector512.FusedMultiplyAdd(u, x0, a3);
            b3 = Vector512.FusedMultiplyAdd(v, x0, b3);
            u = TWeights.Odd512(w, 0);
            v = TWeights.Odd512(w, 1);
            x0 = Vector512.Create(x[4]);
            a0 = Vector512.FusedMultiplyAdd(u, x0, a0);
            b0 = Vector512.FusedMultiplyAdd(v, x0, b0);
            x0 = Vector512.Create(x[5]);
            a1 = Vector512.FusedMultiplyAdd(u, x0, a1);
            b1 = Vector512.FusedMultiplyAdd(v, x0, b1);
            x0 = Vector512.Create(x[6]);
            a2 = Vector512.FusedMultiplyAdd(u, x0, a2);
            b2 = Vector512.FusedMultiplyAdd(v, x0, b2);
            x0 = Vector512.Create(x[7]);
            a3 = Vector512.FusedMultiplyAdd(u, x0, a3);
            b3 = Vector512.FusedMultiplyAdd(v, x0, b3);
            x += 8;
            w += TWeights.StepBytes;
        }
        a0.Store(c);
        b0.Store(c + 16);
        a1.Store(c + cStride);
        b1.Store(c + cStride + 16);
        a2.Store(c + 2 * cStride);
        b2.Store(c + 2 * cStride + 16);
        a3.Store(c + 3 * cStride);
        b3.Store(c + 3 * cStride + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile8(float* x, byte* w, int steps, float* c, long cStride, bool accumulate)
    {
        Vector512<float> a0 = default, b0 = default;
        Vector512<float> a1 = default, b1 = default;
        Vector512<float> a2 = default, b2 = default;
        Vector512<float> a3 = default, b3 = default;
        Vector512<float> a4 = default, b4 = default;
        Vector512<float> a5 = default, b5 = default;
        Vector512<float> a6 = default, b6 = default;
        Vector512<float> a7 = default, b7 = default;
        if (accumulate)
        {
            a0 = Vector512.Load(c);
            b0 = Vector512.Load(c + 16);
            a1 = Vector512.Load(c + cStride);
            b1 = Vector512.Load(c + cStride + 16);
            a2 = Vector512.Load(c + 2 * cStride);
            b2 = Vector512.Load(c + 2 * cStride + 16);
            a3 = Vector512.Load(c + 3 * cStride);
            b3 = Vector512.Load(c + 3 * cStride + 16);
            a4 = Vector512.Load(c + 4 * cStride);
            b4 = Vector512.Load(c + 4 * cStride + 16);
            a5 = Vector512.Load(c + 5 * cStride);
            b5 = Vector512.Load(c + 5 * cStride + 16);
            a6 = Vector512.Load(c + 6 * cStride);
            b6 = Vector512.Load(c + 6 * cStride + 16);
            a7 = Vector512.Load(c + 7 * cStride);
            b7 = Vector512.Load(c + 7 * cStride + 16);
        }
        for (int s = 0; s < steps; s++)
        {
            Vector512<float> u = TWeights.Even512(w, 0);
            Vector512<float> v = TWeights.Even512(w, 1);
            Vector512<float> x0 = Vector512.Create(x[0]);
            a0 = Vector512.FusedMultiplyAdd(u, x0, a0);
            b0 = Vector512.FusedMultiplyAdd(v, x0, b0);
            x0 = Vector512.Create(x[1]);
            a1 = Vector512.FusedMultiplyAdd(u, x0, a1);
            b1 = Vector512.FusedMultiplyAdd(v, x0, b1);
            x0 = Vector512.Create(x[2]);
            a2 = Vector512.FusedMultiplyAdd(u, x0, a2);
            b2 = Vector512.FusedMultiplyAdd(v, x0, b2);
            x0 = Vector512.Create(x[3]);
            a3 = Vector512.FusedMultiplyAdd(u, x0, a3);
            b3 = Vector512.FusedMultiplyAdd(v, x0, b3);
            x0 = Vector512.Create(x[4]);
            a4 = Vector512.FusedMultiplyAdd(u, x0, a4);
            b4 = Vector512.FusedMultiplyAdd(v, x0, b4);
            x0 = Vector512.Create(x[5]);
            a5 = Vector512.FusedMultiplyAdd(u, x0, a5);
            b5 = Vector512.FusedMultiplyAdd(v, x0, b5);
            x0 = Vector512.Create(x[6]);
            a6 = Vector512.FusedMultiplyAdd(u, x0, a6);
            b6 = Vector512.FusedMultiplyAdd(v, x0, b6);
            x0 = Vector512.Create(x[7]);
            a7 = Vector512.FusedMultiplyAdd(u, x0, a7);
            b7 = Vector512.FusedMultiplyAdd(v, x0, b7);
            u = TWeights.Odd512(w, 0);
            v = TWeights.Odd512(w, 1);
            x0 = Vector512.Create(x[8]);
            a0 = Vector512.FusedMultiplyAdd(u, x0, a0);
            b0 = Vector512.FusedMultiplyAdd(v, x0, b0);
            x0 = Vector512.Create(x[9]);
            a1 = Vector512.FusedMultiplyAdd(u, x0, a1);
            b1 = Vector512.FusedMultiplyAdd(v, x0, b1);
            x0 = Vector512.Create(x[10]);
            a2 = Vector512.FusedMultiplyAdd(u, x0, a2);
            b2 = Vector512.FusedMultiplyAdd(v, x0, b2);
            x0 = Vector512.Create(x[11]);
            a3 = Vector512.FusedMultiplyAdd(u, x0, a3);
            b3 = Vector512.FusedMultiplyAdd(v, x0, b3);
            x0 = Vector512.Create(x[12]);
            a4 = Vector512.FusedMultiplyAdd(u, x0, a4);
            b4 = Vector512.FusedMultiplyAdd(v, x0, b4);
            x0 = Vector512.Create(x[13]);
            a5 = Vector512.FusedMultiplyAdd(u, x0, a5);
            b5 = Vector512.FusedMultiplyAdd(v, x0, b5);
            x0 = Vector512.Create(x[14]);
            a6 = Vector512.FusedMultiplyAdd(u, x0, a6);
            b6 = Vector512.FusedMultiplyAdd(v, x0, b6);
            x0 = Vector512.Create(x[15]);
            a7 = Vector512.FusedMultiplyAdd(u, x0, a7);
            b7 = Vector512.FusedMultiplyAdd(v, x0, b7);
            x += 16;
            w += TWeights.StepBytes;
        }
        a0.Store(c);
        b0.Store(c + 16);
        a1.Store(c + cStride);
        b1.Store(c + cStride + 16);
        a2.Store(c + 2 * cStride);
        b2.Store(c + 2 * cStride + 16);
        a3.Store(c + 3 * cStride);
        b3.Store(c + 3 * cStride + 16);
        a4.Store(c + 4 * cStride);
        b4.Store(c + 4 * cStride + 16);
        a5.Store(c + 5 * cStride);
        b5.Store(c + 5 * cStride + 16);
        a6.Store(c + 6 * cStride);
        b6.Store(c + 6 * cStride + 16);
        a7.Store(c + 7 * cStride);
        b7.Store(c + 7 * cStride + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile12(float* x, byte* w, int steps, float* c, long cStride, bool accumulate)
    {
        Vector512<float> a0 = default, b0 = default;
        Vector512<float> a1 = default, b1 = default;
        Vector512<float> a2 = default, b2 = default;
        Vector512<float> a3 = default, b3 = default;
        Vector512<float> a4 = default, b4 = default;
        Vector512<float> a5 = default, b5 = default;
        Vector512<float> a6 = default, b6 = default;
        Vector512<float> a7 = default, b7 = default;
        Vector512<float> a8 = default, b8 = default;
        Vector512<float> a9 = default, b9 = default;
        Vector512<float> a10 = default, b10 = default;
        Vector512<float> a11 = default, b11 = default;
        if (accumulate)
        {
            a0 = Vector512.Load(c);
            b0 = Vector512.Load(c + 16);
            a1 = Vector512.Load(c + cStride);
            b1 = Vector512.Load(c + cStride + 16);
            a2 = Vector512.Load(c + 2 * cStride);
            b2 = Vector512.Load(c + 2 * cStride + 16);
            a3 = Vector512.Load(c + 3 * cStride);
            b3 = Vector512.Load(c + 3 * cStride + 16);
            a4 = Vector512.Load(c + 4 * cStride);
            b4 = Vector512.Load(c + 4 * cStride + 16);
            a5 = Vector512.Load(c + 5 * cStride);
            b5 = Vector512.Load(c + 5 * cStride + 16);
            a6 = Vector512.Load(c + 6 * cStride);
            b6 = Vector512.Load(c + 6 * cStride + 16);
            a7 = Vector512.Load(c + 7 * cStride);
            b7 = Vector512.Load(c + 7 * cStride + 16);
            a8 = Vector512.Load(c + 8 * cStride);
            b8 = Vector512.Load(c + 8 * cStride + 16);
            a9 = Vector512.Load(c + 9 * cStride);
            b9 = Vector512.Load(c + 9 * cStride + 16);
            a10 = Vector512.Load(c + 10 * cStride);
            b10 = Vector512.Load(c + 10 * cStride + 16);
            a11 = Vector512.Load(c + 11 * cStride);
            b11 = Vector512.Load(c + 11 * cStride + 16);
        }
        for (int s = 0; s < steps; s++)
        {
            Vector512<float> u = TWeights.Even512(w, 0);
            Vector512<float> v = TWeights.Even512(w, 1);
            Vector512<float> x0 = Vector512.Create(x[0]);
            a0 = Vector512.FusedMultiplyAdd(u, x0, a0);
            b0 = Vector512.FusedMultiplyAdd(v, x0, b0);
            x0 = Vector512.Create(x[1]);
            a1 = Vector512.FusedMultiplyAdd(u, x0, a1);
            b1 = Vector512.FusedMultiplyAdd(v, x0, b1);
            x0 = Vector512.Create(x[2]);
            a2 = Vector512.FusedMultiplyAdd(u, x0, a2);
            b2 = Vector512.FusedMultiplyAdd(v, x0, b2);
            x0 = Vector512.Create(x[3]);
            a3 = Vector512.FusedMultiplyAdd(u, x0, a3);
            b3 = Vector512.FusedMultiplyAdd(v, x0, b3);
            x0 = Vector512.Create(x[4]);
            a4 = Vector512.FusedMultiplyAdd(u, x0, a4);
            b4 = Vector512.FusedMultiplyAdd(v, x0, b4);
            x0 = Vector512.Create(x[5]);
            a5 = Vector512.FusedMultiplyAdd(u, x0, a5);
            b5 = Vector512.FusedMultiplyAdd(v, x0, b5);
            x0 = Vector512.Create(x[6]);
            a6 = Vector512.FusedMultiplyAdd(u, x0, a6);
            b6 = Vector512.FusedMultiplyAdd(v, x0, b6);
            x0 = Vector512.Create(x[7]);
            a7 = Vector512.FusedMultiplyAdd(u, x0, a7);
            b7 = Vector512.FusedMultiplyAdd(v, x0, b7);
            x0 = Vector512.Create(x[8]);
            a8 = Vector512.FusedMultiplyAdd(u, x0, a8);
            b8 = Vector512.FusedMultiplyAdd(v, x0, b8);
            x0 = Vector512.Create(x[9]);
            a9 = Vector512.FusedMultiplyAdd(u, x0, a9);
            b9 = Vector512.FusedMultiplyAdd(v, x0, b9);
            x0 = Vector512.Create(x[10]);
            a10 = Vector512.FusedMultiplyAdd(u, x0, a10);
            b10 = Vector512.FusedMultiplyAdd(v, x0, b10);
            x0 = Vector512.Create(x[11]);
            a11 = Vector512.FusedMultiplyAdd(u, x0, a11);
            b11 = Vector512.FusedMultiplyAdd(v, x0, b11);
            u = TWeights.Odd512(w, 0);
            v = TWeights.Odd512(w, 1);
            x0 = Vector512.Create(x[12]);
            a0 = Vector512.FusedMultiplyAdd(u, x0, a0);
            b0 = Vector512.FusedMultiplyAdd(v, x0, b0);
            x0 = Vector512.Create(x[13]);
            a1 = Vector512.FusedMultiplyAdd(u, x0, a1);
            b1 = Vector512.FusedMultiplyAdd(v, x0, b1);
            x0 = Vector512.Create(x[14]);
            a2 = Vector512.FusedMultiplyAdd(u, x0, a2);
            b2 = Vector512.FusedMultiplyAdd(v, x0, b2);
            x0 = Vector512.Create(x[15]);
            a3 = Vector512.FusedMultiplyAdd(u, x0, a3);
            b3 = Vector512.FusedMultiplyAdd(v, x0, b3);
            x0 = Vector512.Create(x[16]);
            a4 = Vector512.FusedMultiplyAdd(u, x0, a4);
            b4 = Vector512.FusedMultiplyAdd(v, x0, b4);
            x0 = Vector512.Create(x[17]);
            a5 = Vector512.FusedMultiplyAdd(u, x0, a5);
            b5 = Vector512.FusedMultiplyAdd(v, x0, b5);
            x0 = Vector512.Create(x[18]);
            a6 = Vector512.FusedMultiplyAdd(u, x0, a6);
            b6 = Vector512.FusedMultiplyAdd(v, x0, b6);
            x0 = Vector512.Create(x[19]);
            a7 = Vector512.FusedMultiplyAdd(u, x0, a7);
            b7 = Vector512.FusedMultiplyAdd(v, x0, b7);
            x0 = Vector512.Create(x[20]);
            a8 = Vector512.FusedMultiplyAdd(u, x0, a8);
            b8 = Vector512.FusedMultiplyAdd(v, x0, b8);
            x0 = Vector512.Create(x[21]);
            a9 = Vector512.FusedMultiplyAdd(u, x0, a9);
            b9 = Vector512.FusedMultiplyAdd(v, x0, b9);
            x0 = Vector512.Create(x[22]);
            a10 = Vector512.FusedMultiplyAdd(u, x0, a10);
            b10 = Vector512.FusedMultiplyAdd(v, x0, b10);
            x0 = Vector512.Create(x[23]);
            a11 = Vector512.FusedMultiplyAdd(u, x0, a11);
            b11 = Vector512.FusedMultiplyAdd(v, x0, b11);
            x += 24;
            w += TWeights.StepBytes;
        }
        a0.Store(c);
        b0.Store(c + 16);
        a1.Store(c + cStride);
        b1.Store(c + cStride + 16);
        a2.Store(c + 2 * cStride);
        b2.Store(c + 2 * cStride + 16);
        a3.Store(c + 3 * cStride);
        b3.Store(c + 3 * cStride + 16);
        a4.Store(c + 4 * cStride);
        b4.Store(c + 4 * cStride + 16);
        a5.Store(c + 5 * cStride);
        b5.Store(c + 5 * cStride + 16);
        a6.Store(c + 6 * cStride);
        b6.Store(c + 6 * cStride + 16);
        a7.Store(c + 7 * cStride);
        b7.Store(c + 7 * cStride + 16);
        a8.Store(c + 8 * cStride);
        b8.Store(c + 8 * cStride + 16);
        a9.Store(c + 9 * cStride);
        b9.Store(c + 9 * cStride + 16);
        a10.Store(c + 10 * cStride);
        b10.Store(c + 10 * cStride + 16);
        a11.Store(c + 11 * cStride);
        b11.Store(c + 11 * cStride + 16);
    }
}
