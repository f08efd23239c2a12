using Iced.Intel;
using Llama4Kernels.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Micro-kernels for a tile of 1, 2 or 4 rows × one panel of 64 outputs of <see cref="Int4Panels"/>, assembled for AVX-512 VNNI:
/// 16 accumulators of 16 outputs, every line of weights decoded in registers once and multiplied with all rows. Shifts and masks
/// run beside the multipliers, so that decoding is free; a group of 128 columns costs 128 dot products and two multiplications
/// for each accumulator: at most 32 / 34 of the dot product's peak.
/// <code>
/// void tile(byte* blocks, byte* x, float* y, long groups, byte* ahead)
/// </code>
/// y is [rows, 64] float32, aligned to 64 bytes, and is added to. ahead is where to prefetch from.
/// </summary>
internal static class AssembledInt4Tile
{
    private const int Vectors = 4;

    // Cache lines ahead of the stream that come into the first-level cache.
    private const int NearBytes = 1536;

    /// <summary>Writes a tile.</summary>
    /// <param name="a">Where to.</param>
    /// <param name="rows">1, 2 or 4.</param>
    /// <param name="ahead">Lines that are prefetched into the second-level cache for each four that are read: 0, 1, 2 or 4.</param>
    /// <param name="near">Whether the stream's own next lines are prefetched into the first-level cache.</param>
    public static void Emit(Assembler a, int rows, int ahead, bool near)
    {
        AssemblerRegister64 blocks = rdi, x = rsi, y = rdx, groups = rcx, target = r8;
        int sums = rows * Vectors;
        // With few rows y stays in registers across the groups, with four it is read and written once a group.
        bool keepsY = rows < Int8Operand.TileRows;
        AssemblerRegisterZMM[] free = NativeCode.Zmm[(keepsY ? 2 * sums : sums)..31];
        AssemblerRegisterZMM mask = zmm31;
        int lines = 0, asked = 0;

        NativeCode.Enter(a);
        a.mov(eax, 0x0f0f0f0f);
        a.vpbroadcastd(mask, eax);
        for (int i = 0; keepsY && i < sums; i++)
        {
            a.vmovups(Y(i), __zmmword_ptr[y + 64 * i]);
        }
        Label group = a.CreateLabel();
        a.Label(ref group);
        for (int r = 0; r < rows; r++)
        {
            // From what the bias of the codes will add.
            a.vpbroadcastd(Sum(r, 0), __dword_ptr[x + 4 * r]);
            for (int v = 1; v < Vectors; v++)
            {
                a.vmovdqa64(Sum(r, v), Sum(r, 0));
            }
        }
        for (int step = 0; step < Int4Panels.GroupColumns / 8; step++)
        {
            Step(step);
        }
        Fold();
        a.add(blocks, Int4Panels.BlockBytes);
        a.add(x, rows * Int4Panels.Operand.GroupBytes);
        if (asked > 0)
        {
            a.add(target, 64 * asked);
        }
        a.dec(groups);
        a.jne(group);
        for (int i = 0; keepsY && i < sums; i++)
        {
            a.vmovups(__zmmword_ptr[y + 64 * i], Y(i));
        }
        NativeCode.Leave(a);

        AssemblerRegisterZMM Sum(int row, int vector) => NativeCode.Zmm[row * Vectors + vector];

        AssemblerRegisterZMM Y(int index) => NativeCode.Zmm[sums + index];

        // Eight columns: the low halves of a line are the first four, the high halves the others.
        void Step(int step)
        {
            AssemblerRegisterZMM[] temporaries = free[(2 * rows)..];
            for (int i = 0; i < 2 * rows; i++)
            {
                a.vpbroadcastd(free[i], __dword_ptr[x + (8 * rows) + (4 * ((2 * rows * step) + i))]);
            }
            for (int v = 0; v < Vectors; v++)
            {
                int at = 2 * v % (temporaries.Length & ~1);
                AssemblerRegisterZMM low = temporaries[at], high = temporaries[at + 1];
                a.vmovdqa64(high, __zmmword_ptr[blocks + 64 * (Vectors * step + v)]);
                a.vpandd(low, high, mask);
                a.vpsrlw(high, high, 4);
                a.vpandd(high, high, mask);
                for (int r = 0; r < rows; r++)
                {
                    a.vpdpbusd(Sum(r, v), low, free[r]);
                }
                for (int r = 0; r < rows; r++)
                {
                    a.vpdpbusd(Sum(r, v), high, free[rows + r]);
                }
                Prefetch();
            }
        }

        // y += sum · (scale of the weights · scale of x), that product rounded first.
        void Fold()
        {
            for (int v = 0; v < Vectors; v++)
            {
                Prefetch();
            }
            for (int v = 0; v < Vectors; v++)
            {
                AssemblerRegisterZMM scales = free[v % 2];
                a.vmovaps(scales, __zmmword_ptr[blocks + Int4Panels.CodeBytes + 64 * v]);
                for (int r = 0; r < rows; r++)
                {
                    AssemblerRegisterZMM both = free[2 + (v * rows + r) % (free.Length - 2)], sum = Sum(r, v);
                    a.vcvtdq2ps(sum, sum);
                    a.vmulps(both, scales, __dword_bcst[x + 4 * (rows + r)]);
                    if (keepsY)
                    {
                        a.vfmadd231ps(Y(r * Vectors + v), sum, both);
                        continue;
                    }
                    a.vfmadd213ps(sum, both, __zmmword_ptr[y + 64 * (r * Vectors + v)]);
                    a.vmovaps(__zmmword_ptr[y + 64 * (r * Vectors + v)], sum);
                }
            }
        }

        // After each line that was read.
        void Prefetch()
        {
            lines++;
            if (near)
            {
                a.prefetcht0(__byte_ptr[blocks + 64 * (lines - 1) + NearBytes]);
            }
            for (; asked * Vectors < lines * ahead; asked++)
            {
                a.prefetcht1(__byte_ptr[target + 64 * asked]);
            }
        }
    }
}
