using Iced.Intel;
using Llama4Kernels.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// As <see cref="AssembledInt8Tile"/>, for the 16 registers of 256 bits that AVX2 has; totals of a group's runs wait on the stack. With
/// the integer dot product accumulators are 32 outputs of a row or of two, or 16 of four. Without it products of a code's low and high
/// half are summed apart in 16 bits, which hold those of a run, so that they are 32 outputs of a row, 16 of two or 8 of four.
/// </summary>
internal static class NarrowInt8Tile
{
    private const int VectorBytes = 32, Vectors = Int8Panels.PanelRows / 8, QuadBytes = Vectors * VectorBytes, Quads = Int8Panels.RunColumns / 4;

    /// <summary>Writes a tile.</summary>
    /// <param name="a">Where to.</param>
    /// <param name="rows">1, 2 or 4.</param>
    /// <param name="ahead">Lines that are prefetched into the second-level cache for each four that are read: 0, 1, 2 or 4.</param>
    /// <param name="near">Whether the stream's own next lines are prefetched into the first-level cache.</param>
    /// <param name="dot">What multiplies.</param>
    public static void Emit(Assembler a, int rows, int ahead, bool near, ByteDot dot)
    {
        AssemblerRegister64 blocks = rdi, x = rsi, y = rdx, groups = rcx, at = r10;
        AssemblerRegisterYMM mask = ymm15, value = ymm12, free = ymm13, low = ymm8, high = ymm9;
        int vectors = dot.IsDot ? Math.Min(Vectors, 2 * Vectors / rows) : Vectors / rows, totals = rows * vectors;
        var prefetch = new TilePrefetch(a, rax, r8, Int8Panels.BlockBytes * vectors / Vectors, ahead, near);

        NativeCode.Enter(a);
        a.sub(rsp, totals * VectorBytes);
        a.mov(eax, 0x0f0f0f0f);
        a.vmovd(xmm15, eax);
        a.vpbroadcastd(mask, xmm15);
        prefetch.Begin(blocks, Int8Panels.BlockBytes);
        Label group = a.CreateLabel(), pass = a.CreateLabel();
        a.Label(ref group);
        // Bytes of scales that passes before took; of codes and outputs it is twice as much.
        a.xor(r10d, r10d);
        a.Label(ref pass);
        for (int run = 0; run < Int8Panels.Runs; run++)
        {
            for (int i = 0; dot.IsDot && i < totals; i++)
            {
                // From what the bias of the codes will add.
                a.vpbroadcastd(NativeCode.Ymm[i], StartAt(run, i / vectors));
            }
            for (int quad = 0; quad < Quads; quad++)
            {
                Quad(run, quad);
                prefetch.After(run * Quads + quad + 1, Int8Panels.Runs * Quads);
            }
            if (!dot.IsDot)
            {
                Widen(run);
            }
            for (int v = 0; v < vectors; v++)
            {
                Fold(run, v);
            }
        }
        prefetch.Advance();
        if (vectors < Vectors)
        {
            a.add(at, vectors * VectorBytes / 2);
            a.cmp(at, Vectors * VectorBytes / 2);
            a.jne(pass);
        }
        a.add(blocks, Int8Panels.BlockBytes);
        a.add(x, rows * Int8Panels.Operand.GroupBytes);
        a.dec(groups);
        a.jne(group);
        a.add(rsp, totals * VectorBytes);
        NativeCode.Leave(a);

        AssemblerRegisterYMM Sum(int row, int vector) => NativeCode.Ymm[row * vectors + vector];

        AssemblerRegisterYMM HighSum(int row, int vector) => NativeCode.Ymm[totals + row * vectors + vector];

        AssemblerMemoryOperand StartAt(int run, int row) => __dword_ptr[x + sizeof(int) * (run * rows + row)];

        // Four columns.
        void Quad(int run, int quad)
        {
            if (dot.IsDot)
            {
                Dots(run, quad);
                return;
            }
            for (int v = 0; v < vectors; v++)
            {
                ByteDot.Halves(a, CodesAt(run, quad, v), low, high, mask);
                for (int r = 0; r < rows; r++)
                {
                    a.vpbroadcastd(value, QuadAt(run, quad, r));
                    dot.Multiply(a, Sum(r, v), low, value, free, quad == 0);
                    dot.Multiply(a, HighSum(r, v), high, value, free, quad == 0);
                }
            }
        }

        // All codes at once: loads, not products, are what there are too many of.
        void Dots(int run, int quad)
        {
            for (int v = 0; v < vectors; v++)
            {
                a.vmovdqu(NativeCode.Ymm[2 * Vectors + v], CodesAt(run, quad, v));
            }
            for (int r = 0; r < rows; r++)
            {
                a.vpbroadcastd(value, QuadAt(run, quad, r));
                for (int v = 0; v < vectors; v++)
                {
                    dot.Multiply(a, Sum(r, v), NativeCode.Ymm[2 * Vectors + v], value, free, false);
                }
            }
        }

        AssemblerMemoryOperand CodesAt(int run, int quad, int vector) =>
            __ymmword_ptr[blocks + at * 2 + (run * Int8Panels.RunBytes + quad * QuadBytes + vector * VectorBytes)];

        AssemblerMemoryOperand QuadAt(int run, int quad, int row) => __dword_ptr[x + sizeof(int) * ((Int8Panels.Runs + 1 + run * Quads + quad) * rows + row)];

        // The sums of both halves, and what the bias of the codes adds.
        void Widen(int run)
        {
            ByteDot.Ones(a, free);
            for (int i = 0; i < totals; i++)
            {
                AssemblerRegisterYMM sum = NativeCode.Ymm[i], higher = NativeCode.Ymm[totals + i];
                a.vpmaddwd(sum, sum, free);
                a.vpmaddwd(higher, higher, free);
                a.vpslld(higher, higher, 4);
                a.vpaddd(sum, sum, higher);
                a.vpbroadcastd(value, StartAt(run, i / vectors));
                a.vpaddd(sum, sum, value);
            }
        }

        // total = sum · scales of the first run, total += that of the others; after the last y += total · scale of x.
        void Fold(int run, int v)
        {
            a.vcvtph2ps(low, __xmmword_ptr[blocks + at + (run * Int8Panels.RunBytes + Int8Panels.CodeBytes + v * VectorBytes / 2)]);
            for (int r = 0; r < rows; r++)
            {
                AssemblerRegisterYMM sum = Sum(r, v);
                AssemblerMemoryOperand total = __ymmword_ptr[rsp + VectorBytes * (r * vectors + v)], place = __ymmword_ptr[y + at * 2 + (r * QuadBytes + VectorBytes * v)];
                a.vcvtdq2ps(sum, sum);
                if (run == 0)
                {
                    a.vmulps(sum, sum, low);
                }
                else
                {
                    a.vfmadd213ps(sum, low, total);
                }
                if (run < Int8Panels.Runs - 1)
                {
                    a.vmovups(total, sum);
                    continue;
                }
                a.vbroadcastss(value, __dword_ptr[x + sizeof(float) * (Int8Panels.Runs * rows + r)]);
                a.vfmadd213ps(sum, value, place);
                a.vmovups(place, sum);
            }
        }
    }
}
