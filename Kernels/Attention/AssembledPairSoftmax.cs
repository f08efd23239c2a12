using Iced.Intel;
using Llama4Kernels.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>What the softmax of a unit's tile is like.</summary>
/// <param name="Rows">Rows, 1 … <see cref="PairTile.MaxRows"/>.</param>
/// <param name="Pairs">Pairs of vectors of 16 positions, 1 … 4.</param>
/// <param name="Begins">Whether nothing was summed before.</param>
/// <param name="IsPartial">Whether the last pair has fewer than 32 positions.</param>
internal readonly record struct PairSoftmaxShape(int Rows, int Pairs, bool Begins, bool IsPartial);

/// <summary>
/// The online softmax of <see cref="DotPairTile"/> between the two products of a tile, all rows of a unit together, so that none
/// waits for its own sums. Weights are rounded to 2⁻⁸, for which 2ˣ by a polynomial of degree 3 suffices (relative error below
/// 8e-5); factors of what was summed before take degree 6, which is exactly 1 for 0.
/// <code>
/// void weigh(byte* unit, float* scores, byte* weights, long count, float* exponent)
/// </code>
/// The exponent is −log₂e / √d. Scores behind the count become −∞, a weight of 0.
/// </summary>
internal static class AssembledPairSoftmax
{
    private const int VectorBytes = 64, PairPositions = 32, RowBytes = PairTile.OperandStride * sizeof(ushort), ScoreBytes = PairTile.ScoreStride * sizeof(float);

    // 2 to this and to what is below it is 0; minima of nothing; −∞.
    private static readonly float[] s_limits = [-192f, float.MinValue, float.NegativeInfinity];

    // Of 2ˣ on −½ … ½, highest first.
    private static readonly float[] s_rough = [5.51716691e-2f, 2.42611122e-1f, 6.93260985e-1f, 9.99928074e-1f];
    private static readonly float[] s_exact = [1.5345812e-4f, 1.33999312e-3f, 9.61848896e-3f, 5.55032878e-2f, 2.40226469e-1f, 6.93147206e-1f, 1f];

    private static AssemblerRegisterZMM[] Zmm => NativeCode.Zmm;

    private static AssemblerRegisterZMM Lowest => zmm25;

    private static AssemblerRegisterZMM Exponent => zmm30;

    /// <summary>Emits the function.</summary>
    public static void Emit(Assembler a, PairSoftmaxShape shape)
    {
        Label constants = a.CreateLabel();
        NativeCode.Enter(a);
        a.lea(rax, __[constants]);
        if (shape.IsPartial)
        {
            EmitMasks(a, shape);
        }
        EmitMaxima(a, shape);
        EmitFactors(a, shape);
        for (int i = 0; i < s_rough.Length; i++)
        {
            a.vbroadcastss(Rough(i), __dword_ptr[rax + ((s_limits.Length + i) * sizeof(float))]);
        }
        for (int row = 0; row < shape.Rows; row++)
        {
            EmitWeights(a, shape, row);
        }
        NativeCode.Leave(a);
        a.Label(ref constants);
        foreach (float constant in (float[])[.. s_limits, .. s_rough, .. s_exact])
        {
            a.dd(BitConverter.SingleToUInt32Bits(constant));
        }
    }

    private static AssemblerRegisterZMM Rough(int i) => Zmm[26 + i];

    /// <summary>k1 and k2: positions of the last pair of vectors that count.</summary>
    private static void EmitMasks(Assembler a, PairSoftmaxShape shape)
    {
        a.sub(ecx, PairPositions * (shape.Pairs - 1));
        a.mov(r10d, -1);
        a.bzhi(r10d, r10d, ecx);
        a.kmovw(k1, r10d);
        a.shr(r10d, 16);
        a.kmovw(k2, r10d);
    }

    /// <summary>zmm7: the largest scores before, zmm6: with those of the tile, by row.</summary>
    private static void EmitMaxima(Assembler a, PairSoftmaxShape shape)
    {
        a.vbroadcastss(zmm31, __dword_ptr[rax + (2 * sizeof(float))]);
        for (int v = 0; v < 2 * shape.Pairs; v++)
        {
            for (int row = 0; row < shape.Rows; row++)
            {
                AssemblerMemoryOperand scores = __zmmword_ptr[rsi + (row * ScoreBytes) + (v * VectorBytes)];
                if (shape.IsPartial && v >= 2 * (shape.Pairs - 1))
                {
                    a.vmovaps(Zmm[8 + row], zmm31);
                    a.vmovups(v % 2 == 0 ? Zmm[8 + row].k1 : Zmm[8 + row].k2, scores);
                    a.vmovups(scores, Zmm[8 + row]);
                }
                else
                {
                    a.vmovups(Zmm[8 + row], scores);
                }
                if (v == 0)
                {
                    a.vmovaps(Zmm[row], Zmm[8 + row]);
                }
                else
                {
                    a.vmaxps(Zmm[row], Zmm[row], Zmm[8 + row]);
                }
            }
        }
        AssemblerRegisterYMM[] halves = [ymm0, ymm1, ymm2, ymm3, ymm4], otherHalves = [ymm8, ymm9, ymm10, ymm11, ymm12];
        AssemblerRegisterXMM[] quarters = [xmm0, xmm1, xmm2, xmm3, xmm4], others = [xmm8, xmm9, xmm10, xmm11, xmm12];
        Each(row => a.vextractf64x4(otherHalves[row], Zmm[row], 1), row => a.vmaxps(halves[row], halves[row], otherHalves[row]));
        Each(row => a.vextractf128(others[row], halves[row], 1), row => a.vmaxps(quarters[row], quarters[row], others[row]));
        Each(row => a.vpermilps(others[row], quarters[row], 0x4e), row => a.vmaxps(quarters[row], quarters[row], others[row]));
        Each(row => a.vpermilps(others[row], quarters[row], 0xb1), row => a.vmaxps(quarters[row], quarters[row], others[row]));
        a.vmovaps(xmm6, xmm0);
        for (int row = 1; row < Math.Min(shape.Rows, 4); row++)
        {
            a.vinsertps(xmm6, xmm6, quarters[row], (byte)(row << 4));
        }
        if (shape.Rows == PairTile.MaxRows)
        {
            a.vinsertf128(ymm6, ymm6, xmm4, 1);
        }
        if (shape.Begins)
        {
            a.vbroadcastss(zmm7, __dword_ptr[rax + sizeof(float)]);
        }
        else
        {
            a.vmovups(zmm7, __zmmword_ptr[rdi]);
        }
        a.vmaxps(zmm6, zmm7, zmm6);
        a.vmovups(__zmmword_ptr[rdi], zmm6);

        void Each(Action<int> first, Action<int> second)
        {
            for (int row = 0; row < shape.Rows; row++)
            {
                first(row);
            }
            for (int row = 0; row < shape.Rows; row++)
            {
                second(row);
            }
        }
    }

    /// <summary>What brings that which was summed before to the new maxima.</summary>
    private static void EmitFactors(Assembler a, PairSoftmaxShape shape)
    {
        a.vbroadcastss(Exponent, __dword_ptr[r8]);
        a.vbroadcastss(Lowest, __dword_ptr[rax]);
        if (shape.Begins)
        {
            return;
        }
        int at = (s_limits.Length + s_rough.Length) * sizeof(float);
        a.vsubps(zmm8, zmm6, zmm7);
        Split(a, zmm8, zmm9);
        a.vbroadcastss(zmm10, __dword_ptr[rax + at]);
        for (int i = 1; i < s_exact.Length; i++)
        {
            a.vfmadd213ps(zmm10, zmm8, __dword_bcst[rax + at + (i * sizeof(float))]);
        }
        a.vscalefps(zmm10, zmm10, zmm9);
        a.vmovups(__zmmword_ptr[rdi + PairUnit.FactorBytes], zmm10);
    }

    /// <summary>A row's weights and the 16 sums of them.</summary>
    private static void EmitWeights(Assembler a, PairSoftmaxShape shape, int row)
    {
        AssemblerRegisterZMM maximum = Zmm[20 + (row % 2)], sum = Zmm[22 + (row % 2)];
        AssemblerMemoryOperand total = __zmmword_ptr[rdi + PairUnit.WeightBytes + (row * VectorBytes)];
        a.vbroadcastss(maximum, __dword_ptr[rdi + (row * sizeof(float))]);
        for (int pair = 0; pair < shape.Pairs; pair++)
        {
            // Three registers for each of two vectors, another six for the next pair.
            int first = 6 * ((row * shape.Pairs + pair) % 3);
            AssemblerRegisterZMM low = Power(first, 2 * pair), high = Power(first + 3, (2 * pair) + 1);
            a.vcvtne2ps2bf16(Zmm[first], high, low);
            a.vmovups(__zmmword_ptr[rdx + (row * RowBytes) + (pair * VectorBytes)], Zmm[first]);
            a.vaddps(low, low, high);
            if (pair > 0)
            {
                a.vaddps(sum, sum, low);
                continue;
            }
            if (!shape.Begins)
            {
                a.vbroadcastss(high, __dword_ptr[rdi + PairUnit.FactorBytes + (row * sizeof(float))]);
                a.vfmadd231ps(low, high, total);
            }
            a.vmovaps(sum, low);
        }
        a.vmovups(total, sum);

        AssemblerRegisterZMM Power(int register, int vector)
        {
            AssemblerRegisterZMM x = Zmm[register], whole = Zmm[register + 1], power = Zmm[register + 2];
            a.vsubps(x, maximum, __zmmword_ptr[rsi + (row * ScoreBytes) + (vector * VectorBytes)]);
            Split(a, x, whole);
            a.vmovaps(power, Rough(0));
            for (int i = 1; i < s_rough.Length; i++)
            {
                a.vfmadd213ps(power, x, Rough(i));
            }
            a.vscalefps(power, power, whole);
            return power;
        }
    }

    /// <summary>x becomes the fraction of its product with the exponent, whole the nearest integer; NaN stays NaN in both.</summary>
    private static void Split(Assembler a, AssemblerRegisterZMM x, AssemblerRegisterZMM whole)
    {
        a.vmulps(x, x, Exponent);
        a.vmaxps(x, Lowest, x);
        a.vrndscaleps(whole, x, 8);
        a.vsubps(x, x, whole);
    }
}
