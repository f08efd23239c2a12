using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>One token in 128-bit vectors, which every processor has or the runtime emulates.</summary>
/// <remarks>Named locals, because only those stay in registers.</remarks>
internal readonly unsafe struct PortableTiles<TWeights> : ITiles
    where TWeights : IWeightFormat
{
    public static int MaxTokens => 1;

    public static bool Bf16Pairs => false;

    public static int Fit(int tokens) => 1;

    public static void Run(int tokens, byte* x, byte* w, int steps, float* c, long cStride, bool accumulate)
    {
        Tile1((float*)x, w, steps, c, cStride, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1(float* x, byte* w, int steps, float* c, long cStride, bool accumulate)
    {
        Vector128<float> a0 = default, b0 = default, c0 = default, d0 = default, e0 = default, f0 = default, g0 = default, h0 = default;
        if (accumulate)
        {
            a0 = Vector128.Load(c);
            b0 = Vector128.Load(c + 4);
            c0 = Vector128.Load(c + 8);
            d0 = Vector128.Load(c + 12);
            e0 = Vector128.Load(c + 16);
            f0 = Vector128.Load(c + 20);
            g0 = Vector128.Load(c + 24);
            h0 = Vector128.Load(c + 28);
        }
        for (int s = 0; s < steps; s++)
        {
            Vector128<float> x0 = Vector128.Create(x[0]);
            Vector128<float> u = TWeights.Even128(w, 0);
            a0 = Vector128.FusedMultiplyAdd(u, x0, a0);
            u = TWeights.Even128(w, 1);
            b0 = Vector128.FusedMultiplyAdd(u, x0, b0);
            u = TWeights.Even128(w, 2);
            c0 = Vector128.FusedMultiplyAdd(u, x0, c0);
            u = TWeights.Even128(w, 3);
            d0 = Vector128.FusedMultiplyAdd(u, x0, d0);
            u = TWeights.Even128(w, 4);
            e0 = Vector128.FusedMultiplyAdd(u, x0, e0);
            u = TWeights.Even128(w, 5);
            f0 = Vector128.FusedMultiplyAdd(u, x0, f0);
            u = TWeights.Even128(w, 6);
            g0 = Vector128.FusedMultiplyAdd(u, x0, g0);
            u = TWeights.Even128(w, 7);
            h0 = Vector128.FusedMultiplyAdd(u, x0, h0);
            x0 = Vector128.Create(x[1]);
            u = TWeights.Odd128(w, 0);
            a0 = Vector128.FusedMultiplyAdd(u, x0, a0);
            u = TWeights.Odd128(w, 1);
            b0 = Vector128.FusedMultiplyAdd(u, x0, b0);
            u = TWeights.Odd128(w, 2);
            c0 = Vector128.FusedMultiplyAdd(u, x0, c0);
            u = TWeights.Odd128(w, 3);
            d0 = Vector128.FusedMultiplyAdd(u, x0, d0);
            u = TWeights.Odd128(w, 4);
            e0 = Vector128.FusedMultiplyAdd(u, x0, e0);
            u = TWeights.Odd128(w, 5);
            f0 = Vector128.FusedMultiplyAdd(u, x0, f0);
            u = TWeights.Odd128(w, 6);
            g0 = Vector128.FusedMultiplyAdd(u, x0, g0);
            u = TWeights.Odd128(w, 7);
            h0 = Vector128.FusedMultiplyAdd(u, x0, h0);
            x += 2;
            w += TWeights.StepBytes;
        }
        a0.Store(c);
        b0.Store(c + 4);
        c0.Store(c + 8);
        d0.Store(c + 12);
        e0.Store(c + 16);
        f0.Store(c + 20);
        g0.Store(c + 24);
        h0.Store(c + 28);
    }
}
