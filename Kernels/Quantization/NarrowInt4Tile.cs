using Iced.Intel;
using Llama4Kernels.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// As <see cref="AssembledInt4Tile"/>, for the 16 registers of 256 bits that AVX2 has: eight accumulators are 64 outputs of one row, 32
/// of two or 16 of four, so a block is read in one, two or four passes. Without the integer dot product sums of 32 columns are of 16
/// bits, which hold them (<see cref="ByteDot.ShortSums"/>), and those of a group wait on the stack.
/// </summary>
internal static class NarrowInt4Tile
{
    private const int LineBytes = 64, VectorBytes = 32, Vectors = 8, Lines = 4, Steps = Int4Panels.GroupColumns / 8;

    // Steps of sums of 16 bits: a product of low halves and one of high ones each.
    private const int ShortSteps = ByteDot.ShortSums / 2;

    /// <summary>Writes a tile.</summary>
    /// <param name="a">Where to.</param>
    /// <param name="rows">1, 2 or 4.</param>
    /// <param name="ahead">Lines that are prefetched into the second-level cache for each four that are read: 0, 1, 2 or 4.</param>
    /// <param name="near">Whether the stream's own next lines are prefetched into the first-level cache.</param>
    /// <param name="dot">What multiplies.</param>
    public static void Emit(Assembler a, int rows, int ahead, bool near, ByteDot dot)
    {
        AssemblerRegister64 blocks = rdi, x = rsi, y = rdx, groups = rcx, at = r10;
        AssemblerRegisterYMM mask = ymm15, value = ymm12, free = ymm13;
        AssemblerRegisterYMM[] low = [ymm8, ymm9], high = [ymm10, ymm11];
        int lines = Lines / rows, passBytes = lines * LineBytes;
        var prefetch = new TilePrefetch(a, rax, r8, Int4Panels.BlockBytes / rows, ahead, near);

        NativeCode.Enter(a);
        a.sub(rsp, Vectors * VectorBytes);
        a.mov(eax, 0x0f0f0f0f);
        a.vmovd(xmm15, eax);
        a.vpbroadcastd(mask, xmm15);
        prefetch.Begin(blocks, Int4Panels.BlockBytes);
        Label group = a.CreateLabel(), pass = a.CreateLabel();
        a.Label(ref group);
        a.xor(r10d, r10d);
        a.Label(ref pass);
        for (int r = 0; dot.IsDot && r < rows; r++)
        {
            for (int v = 0; v < 2 * lines; v++)
            {
                // From what the bias of the codes will add.
                a.vpbroadcastd(Sum(r, v), __dword_ptr[x + sizeof(int) * r]);
            }
        }
        for (int step = 0; step < Steps; step++)
        {
            for (int line = 0; line < lines; line++)
            {
                Line(step, line);
                prefetch.After(step * lines + line + 1, Steps * lines);
            }
            if (!dot.IsDot && step % ShortSteps == ShortSteps - 1)
            {
                Widen(step / ShortSteps);
            }
        }
        for (int v = 0; v < 2 * lines; v++)
        {
            Fold(v);
        }
        prefetch.Advance();
        if (rows > 1)
        {
            a.add(at, passBytes);
            a.cmp(at, Lines * LineBytes);
            a.jne(pass);
        }
        a.add(blocks, Int4Panels.BlockBytes);
        a.add(x, rows * Int4Panels.Operand.GroupBytes);
        a.dec(groups);
        a.jne(group);
        a.add(rsp, Vectors * VectorBytes);
        NativeCode.Leave(a);

        AssemblerRegisterYMM Sum(int row, int vector) => NativeCode.Ymm[row * 2 * lines + vector];

        // Eight columns of 16 outputs: the low halves of a line are the first four, the high halves the others.
        void Line(int step, int line)
        {
            int from = (Lines * step + line) * LineBytes;
            for (int v = 0; v < 2; v++)
            {
                ByteDot.Halves(a, __ymmword_ptr[blocks + at + (from + v * VectorBytes)], low[v], high[v], mask);
            }
            for (int half = 0; half < 2; half++)
            {
                for (int r = 0; r < rows; r++)
                {
                    a.vpbroadcastd(value, __dword_ptr[x + sizeof(int) * (2 * rows + (2 * step + half) * rows + r)]);
                    for (int v = 0; v < 2; v++)
                    {
                        dot.Multiply(a, Sum(r, 2 * line + v), (half == 0 ? low : high)[v], value, free, step % ShortSteps == 0 && half == 0);
                    }
                }
            }
        }

        // Sums of 16 bits join those of the columns before; the last ones, what the bias of the codes adds.
        void Widen(int part)
        {
            ByteDot.Ones(a, free);
            for (int i = 0; i < Vectors; i++)
            {
                AssemblerRegisterYMM sum = NativeCode.Ymm[i];
                AssemblerMemoryOperand before = __ymmword_ptr[rsp + VectorBytes * i];
                a.vpmaddwd(sum, sum, free);
                if (part > 0)
                {
                    a.vpaddd(sum, sum, before);
                }
                if (part < Steps / ShortSteps - 1)
                {
                    a.vmovdqu(before, sum);
                    continue;
                }
                a.vpbroadcastd(value, __dword_ptr[x + sizeof(int) * (i / (2 * lines))]);
                a.vpaddd(sum, sum, value);
            }
        }

        // y += sum · (scale of the weights · scale of x), that product rounded first.
        void Fold(int vector)
        {
            AssemblerRegisterYMM scales = low[0], both = low[1];
            a.vmovups(scales, __ymmword_ptr[blocks + at + (Int4Panels.CodeBytes + VectorBytes * vector)]);
            for (int r = 0; r < rows; r++)
            {
                AssemblerRegisterYMM sum = Sum(r, vector);
                AssemblerMemoryOperand place = __ymmword_ptr[y + at + (r * Lines * LineBytes + VectorBytes * vector)];
                a.vcvtdq2ps(sum, sum);
                a.vbroadcastss(both, __dword_ptr[x + sizeof(float) * (rows + r)]);
                a.vmulps(both, both, scales);
                a.vfmadd213ps(sum, both, place);
                a.vmovups(place, sum);
            }
        }
    }
}
