using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Small product C (+)= A·B in registers, 4 rows × 4 vectors at a time, over a panel B. Every element
/// of C is one chain of fused multiply-adds over ascending k, whichever body computes it: results do not depend on the number of rows.
/// </summary>
internal static unsafe class PanelProduct
{
    /// <summary>
    /// A [rows, inner], B [inner, columns], C [rows, columns]; columns is a multiple of 16; strides in elements. What is read
    /// next, <c>ahead</c>, is asked for while the first rows go by, as many lines as B has: panels lie anywhere, so that no
    /// hardware prefetcher sees the way from one to the next. Null asks for nothing.
    /// </summary>
    public static void Run(float* a, int aStride, float* b, int bStride, float* c, int cStride, int rows, int inner, int columns, bool accumulate, float* ahead)
    {
        long distance = ahead == null ? 0 : ahead - b;
        int column = 0;
        for (; column <= columns - 64; column += 64)
        {
            float* panel = b + column;
            float* to = c + column;
            int row = 0;
            for (; row <= rows - 4; row += 4)
            {
                FourByFour(a + (long)row * aStride, aStride, panel, bStride, to + (long)row * cStride, cStride, inner, accumulate, row == 0 ? distance : 0);
            }
            if (row <= rows - 2)
            {
                TwoByFour(a + (long)row * aStride, aStride, panel, bStride, to + (long)row * cStride, cStride, inner, accumulate, row == 0 ? distance : 0);
                row += 2;
            }
            if (row < rows)
            {
                OneByFour(a + (long)row * aStride, panel, bStride, to + (long)row * cStride, inner, accumulate, row == 0 ? distance : 0);
            }
        }
        for (; column <= columns - 32; column += 32)
        {
            float* panel = b + column;
            float* to = c + column;
            int row = 0;
            for (; row <= rows - 4; row += 4)
            {
                FourByTwo(a + (long)row * aStride, aStride, panel, bStride, to + (long)row * cStride, cStride, inner, accumulate);
            }
            for (; row < rows; row++)
            {
                OneByOne(a + (long)row * aStride, panel, bStride, to + (long)row * cStride, inner, accumulate);
                OneByOne(a + (long)row * aStride, panel + 16, bStride, to + (long)row * cStride + 16, inner, accumulate);
            }
        }
        for (; column < columns; column += 16)
        {
            float* panel = b + column;
            float* to = c + column;
            int row = 0;
            for (; row <= rows - 4; row += 4)
            {
                FourByOne(a + (long)row * aStride, aStride, panel, bStride, to + (long)row * cStride, cStride, inner, accumulate);
            }
            for (; row < rows; row++)
            {
                OneByOne(a + (long)row * aStride, panel, bStride, to + (long)row * cStride, inner, accumulate);
            }
        }
    }

    private static void FourByFour(float* a, int aStride, float* b, int bStride, float* c, int cStride, int inner, bool accumulate, long ahead)
    {
        float* a1 = a + aStride;
        float* a2 = a1 + aStride;
        float* a3 = a2 + aStride;
        float* c1 = c + cStride;
        float* c2 = c1 + cStride;
        float* c3 = c2 + cStride;
        Vector512<float> c00 = Start(c, accumulate), c01 = Start(c + 16, accumulate), c02 = Start(c + 32, accumulate), c03 = Start(c + 48, accumulate);
        Vector512<float> c10 = Start(c1, accumulate), c11 = Start(c1 + 16, accumulate), c12 = Start(c1 + 32, accumulate), c13 = Start(c1 + 48, accumulate);
        Vector512<float> c20 = Start(c2, accumulate), c21 = Start(c2 + 16, accumulate), c22 = Start(c2 + 32, accumulate), c23 = Start(c2 + 48, accumulate);
        Vector512<float> c30 = Start(c3, accumulate), c31 = Start(c3 + 16, accumulate), c32 = Start(c3 + 32, accumulate), c33 = Start(c3 + 48, accumulate);
        long step = bStride;
        for (int k = 0; k < inner; k++, b += step)
        {
            Ask(b + ahead);
            Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + 16), b2 = Vector512.Load(b + 32), b3 = Vector512.Load(b + 48);
            Vector512<float> x = Vector512.Create(a[k]);
            c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
            c02 = Vector512.FusedMultiplyAdd(x, b2, c02);
            c03 = Vector512.FusedMultiplyAdd(x, b3, c03);
            x = Vector512.Create(a1[k]);
            c10 = Vector512.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector512.FusedMultiplyAdd(x, b1, c11);
            c12 = Vector512.FusedMultiplyAdd(x, b2, c12);
            c13 = Vector512.FusedMultiplyAdd(x, b3, c13);
            x = Vector512.Create(a2[k]);
            c20 = Vector512.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector512.FusedMultiplyAdd(x, b1, c21);
            c22 = Vector512.FusedMultiplyAdd(x, b2, c22);
            c23 = Vector512.FusedMultiplyAdd(x, b3, c23);
            x = Vector512.Create(a3[k]);
            c30 = Vector512.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector512.FusedMultiplyAdd(x, b1, c31);
            c32 = Vector512.FusedMultiplyAdd(x, b2, c32);
            c33 = Vector512.FusedMultiplyAdd(x, b3, c33);
        }
        Store(c, c00, c01, c02, c03);
        Store(c1, c10, c11, c12, c13);
        Store(c2, c20, c21, c22, c23);
        Store(c3, c30, c31, c32, c33);
    }

    private static void TwoByFour(float* a, int aStride, float* b, int bStride, float* c, int cStride, int inner, bool accumulate, long ahead)
    {
        float* a1 = a + aStride;
        float* c1 = c + cStride;
        Vector512<float> c00 = Start(c, accumulate), c01 = Start(c + 16, accumulate), c02 = Start(c + 32, accumulate), c03 = Start(c + 48, accumulate);
        Vector512<float> c10 = Start(c1, accumulate), c11 = Start(c1 + 16, accumulate), c12 = Start(c1 + 32, accumulate), c13 = Start(c1 + 48, accumulate);
        long step = bStride;
        for (int k = 0; k < inner; k++, b += step)
        {
            Ask(b + ahead);
            Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + 16), b2 = Vector512.Load(b + 32), b3 = Vector512.Load(b + 48);
            Vector512<float> x = Vector512.Create(a[k]);
            c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
            c02 = Vector512.FusedMultiplyAdd(x, b2, c02);
            c03 = Vector512.FusedMultiplyAdd(x, b3, c03);
            x = Vector512.Create(a1[k]);
            c10 = Vector512.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector512.FusedMultiplyAdd(x, b1, c11);
            c12 = Vector512.FusedMultiplyAdd(x, b2, c12);
            c13 = Vector512.FusedMultiplyAdd(x, b3, c13);
        }
        Store(c, c00, c01, c02, c03);
        Store(c1, c10, c11, c12, c13);
    }

    private static void OneByFour(float* a, float* b, int bStride, float* c, int inner, bool accumulate, long ahead)
    {
        Vector512<float> c0 = Start(c, accumulate), c1 = Start(c + 16, accumulate), c2 = Start(c + 32, accumulate), c3 = Start(c + 48, accumulate);
        long step = bStride;
        for (int k = 0; k < inner; k++, b += step)
        {
            Ask(b + ahead);
            Vector512<float> x = Vector512.Create(a[k]);
            c0 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b), c0);
            c1 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b + 16), c1);
            c2 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b + 32), c2);
            c3 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b + 48), c3);
        }
        Store(c, c0, c1, c2, c3);
    }

    private static void FourByTwo(float* a, int aStride, float* b, int bStride, float* c, int cStride, int inner, bool accumulate)
    {
        float* a1 = a + aStride;
        float* a2 = a1 + aStride;
        float* a3 = a2 + aStride;
        float* c1 = c + cStride;
        float* c2 = c1 + cStride;
        float* c3 = c2 + cStride;
        Vector512<float> c00 = Start(c, accumulate), c01 = Start(c + 16, accumulate), c10 = Start(c1, accumulate), c11 = Start(c1 + 16, accumulate);
        Vector512<float> c20 = Start(c2, accumulate), c21 = Start(c2 + 16, accumulate), c30 = Start(c3, accumulate), c31 = Start(c3 + 16, accumulate);
        long step = bStride;
        for (int k = 0; k < inner; k++, b += step)
        {
            Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + 16);
            Vector512<float> x = Vector512.Create(a[k]);
            c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
            x = Vector512.Create(a1[k]);
            c10 = Vector512.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector512.FusedMultiplyAdd(x, b1, c11);
            x = Vector512.Create(a2[k]);
            c20 = Vector512.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector512.FusedMultiplyAdd(x, b1, c21);
            x = Vector512.Create(a3[k]);
            c30 = Vector512.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector512.FusedMultiplyAdd(x, b1, c31);
        }
        c00.Store(c);
        c01.Store(c + 16);
        c10.Store(c1);
        c11.Store(c1 + 16);
        c20.Store(c2);
        c21.Store(c2 + 16);
        c30.Store(c3);
        c31.Store(c3 + 16);
    }

    private static void FourByOne(float* a, int aStride, float* b, int bStride, float* c, int cStride, int inner, bool accumulate)
    {
        float* a1 = a + aStride;
        float* a2 = a1 + aStride;
        float* a3 = a2 + aStride;
        Vector512<float> c0 = Start(c, accumulate), c1 = Start(c + cStride, accumulate);
        Vector512<float> c2 = Start(c + 2 * cStride, accumulate), c3 = Start(c + 3 * cStride, accumulate);
        long step = bStride;
        for (int k = 0; k < inner; k++, b += step)
        {
            Vector512<float> panel = Vector512.Load(b);
            c0 = Vector512.FusedMultiplyAdd(Vector512.Create(a[k]), panel, c0);
            c1 = Vector512.FusedMultiplyAdd(Vector512.Create(a1[k]), panel, c1);
            c2 = Vector512.FusedMultiplyAdd(Vector512.Create(a2[k]), panel, c2);
            c3 = Vector512.FusedMultiplyAdd(Vector512.Create(a3[k]), panel, c3);
        }
        c0.Store(c);
        c1.Store(c + cStride);
        c2.Store(c + 2 * cStride);
        c3.Store(c + 3 * cStride);
    }

    private static void OneByOne(float* a, float* b, int bStride, float* c, int inner, bool accumulate)
    {
        Vector512<float> sum = Start(c, accumulate);
        long step = bStride;
        for (int k = 0; k < inner; k++, b += step)
        {
            sum = Vector512.FusedMultiplyAdd(Vector512.Create(a[k]), Vector512.Load(b), sum);
        }
        sum.Store(c);
    }

    /// <summary>One line of each four or two that a step goes on: the hardware fetches its neighbours.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Ask(float* line)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch1(line);
        }
    }

    private static Vector512<float> Start(float* c, bool accumulate) => accumulate ? Vector512.Load(c) : Vector512<float>.Zero;

    private static void Store(float* c, Vector512<float> v0, Vector512<float> v1, Vector512<float> v2, Vector512<float> v3)
    {
        v0.Store(c);
        v1.Store(c + 16);
        v2.Store(c + 32);
        v3.Store(c + 48);
    }
}
