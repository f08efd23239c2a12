using Iced.Intel;
using Llama4Kernels.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// The micro-kernel of <see cref="DotPairTile"/>: up to five rows of operands × up to four vectors of a panel's columns, a register
/// of sums each. A pair of the panel's rows costs a load for each vector, a broadcast for each row and a BF16 dot product for each
/// sum; with five rows and four vectors the dot products, one a cycle, are the limit, with fewer reading the panel is.
/// <code>
/// void tile(PairRun* runs, byte* x, float* y, long count, float* factors, long ahead)
/// </code>
/// </summary>
internal static class AssembledPairTile
{
    // Pairs that a turn of the loop takes.
    private const int Unrolled = 4;

    private const int PairBytes = 2 * sizeof(ushort), RowBytes = PairTile.OperandStride * sizeof(ushort);

    private static AssemblerRegisterZMM[] Zmm => NativeCode.Zmm;

    /// <summary>Emits the function.</summary>
    public static void Emit(Assembler a, PairShape shape)
    {
        AssemblerRegister64 runs = rdi, x = rsi, y = rdx, left = rcx, factors = r8, offset = r9, panel = rax, pairs = r10, ahead = r11, rows = rbx;
        int lineBytes = shape.PanelVectors * 64, resultBytes = (shape.IsScores ? PairTile.ScoreStride : PairTile.SumStride) * sizeof(float);
        const int FirstLine = 20, FirstValue = 24, Mask = 31;

        NativeCode.Enter(a);
        a.push(rows);
        Start();
        Label run = a.CreateLabel(), loop = a.CreateLabel(), rest = a.CreateLabel(), single = a.CreateLabel(), half = a.CreateLabel(), end = a.CreateLabel();
        a.Label(ref run);
        a.mov(panel, __[runs]);
        a.mov(rows, __[runs + 8]);
        if (shape.Asks > 0)
        {
            a.mov(ahead, __[runs + 16]);
            a.add(ahead, offset);
        }
        a.cmp(rows, left);
        a.cmovg(rows, left);
        a.sub(left, rows);
        a.mov(pairs, rows);
        a.shr(pairs, 1);
        a.sub(pairs, Unrolled);
        a.jl(rest);
        a.Label(ref loop);
        for (int i = 0; i < Unrolled; i++)
        {
            Pair(i);
        }
        Advance(Unrolled);
        a.sub(pairs, Unrolled);
        a.jge(loop);
        a.Label(ref rest);
        a.add(pairs, Unrolled);
        a.je(half);
        a.Label(ref single);
        Pair(0);
        Advance(1);
        a.dec(pairs);
        a.jne(single);
        a.Label(ref half);
        a.test(rows, 1);
        a.je(end);
        Half();
        a.Label(ref end);
        a.add(runs, 24);
        a.test(left, left);
        a.jne(run);
        for (int r = 0; r < shape.Rows; r++)
        {
            for (int v = 0; v < shape.Vectors; v++)
            {
                a.vmovups(__zmmword_ptr[y + r * resultBytes + v * 64], Sum(r, v));
            }
        }
        a.pop(rows);
        NativeCode.Leave(a);

        AssemblerRegisterZMM Sum(int row, int vector) => Zmm[(row * shape.Vectors) + vector];

        void Start()
        {
            for (int r = 0; r < shape.Rows; r++)
            {
                if (shape.Continues)
                {
                    a.vbroadcastss(Zmm[FirstValue + r], __dword_ptr[factors + (r * sizeof(float))]);
                }
                for (int v = 0; v < shape.Vectors; v++)
                {
                    if (shape.Continues)
                    {
                        a.vmulps(Sum(r, v), Zmm[FirstValue + r], __zmmword_ptr[y + (r * resultBytes) + (v * 64)]);
                    }
                    else
                    {
                        a.vpxord(Sum(r, v), Sum(r, v), Sum(r, v));
                    }
                }
            }
        }

        void Pair(int index)
        {
            for (int v = 0; v < shape.Vectors; v++)
            {
                a.vmovdqu64(Zmm[FirstLine + v], __zmmword_ptr[panel + (index * lineBytes) + (v * 64)]);
            }
            for (int line = 0; line < Math.Min(shape.Asks, shape.PanelVectors); line++)
            {
                a.prefetcht1(__byte_ptr[ahead + (index * lineBytes) + (line * 64)]);
            }
            for (int r = 0; r < shape.Rows; r++)
            {
                a.vpbroadcastd(Zmm[FirstValue + r], __dword_ptr[x + (r * RowBytes) + (index * PairBytes)]);
                Dots(r);
            }
        }

        // The last row has no partner: whatever lies in its place becomes zero on both sides.
        void Half()
        {
            a.vpternlogd(Zmm[Mask], Zmm[Mask], Zmm[Mask], 0xff);
            a.vpsrld(Zmm[Mask], Zmm[Mask], 16);
            for (int v = 0; v < shape.Vectors; v++)
            {
                a.vpandd(Zmm[FirstLine + v], Zmm[Mask], __zmmword_ptr[panel + (v * 64)]);
            }
            for (int r = 0; r < shape.Rows; r++)
            {
                a.vpandd(Zmm[FirstValue + r], Zmm[Mask], __dword_bcst[x + (r * RowBytes)]);
                Dots(r);
            }
            a.add(x, sizeof(ushort));
        }

        void Dots(int r)
        {
            for (int v = 0; v < shape.Vectors; v++)
            {
                a.vdpbf16ps(Sum(r, v), Zmm[FirstLine + v], Zmm[FirstValue + r]);
            }
        }

        void Advance(int count)
        {
            a.add(panel, count * lineBytes);
            a.add(x, count * PairBytes);
            if (shape.Asks > 0)
            {
                a.add(ahead, count * lineBytes);
            }
        }
    }
}
