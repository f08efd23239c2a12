using Iced.Intel;
using Llama4Kernels.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Micro-kernels for a tile of 1, 2 or 4 rows × one panel of 32 outputs of <see cref="Int8Panels"/>, assembled for AVX-512 VNNI. Sums of
/// a run, their totals with the scales and y stay in registers. 128 columns cost an accumulator 32 dot products, four multiplications
/// with the scales and one with the scale of x: at most 32 / 37 = 86 % of the dot product's peak.
/// <code>
/// void tile(byte* blocks, byte* x, float* y, long groups, byte* ahead)
/// </code>
/// y is [rows, 32] float32 and is added to. ahead is where to prefetch from.
/// </summary>
internal static class AssembledInt8Tile
{
    private const int Vectors = 2, LineBytes = 64, Quads = Int8Panels.RunColumns / 4;

    // Bytes ahead of the stream that come into the first-level cache.
    private const int NearBytes = 1536;

    // Dot products a line at which the stream is slower than memory: one that overtakes what it has asked for waits for each line.
    private const int Pace = 6;

    /// <summary>Writes a tile.</summary>
    /// <param name="a">Where to.</param>
    /// <param name="rows">1, 2 or 4.</param>
    /// <param name="ahead">Lines that are prefetched into the second-level cache for each four that are read: 0, 1, 2 or 4.</param>
    /// <param name="near">Whether the stream's own next lines are prefetched into the first-level cache.</param>
    public static void Emit(Assembler a, int rows, int ahead, bool near)
    {
        AssemblerRegister64 blocks = rdi, x = rsi, y = rdx, groups = rcx, target = r8;
        int sums = rows * Vectors, lines = 0, asked = 0, starts = rows * sizeof(int);
        AssemblerRegisterZMM[] total = NativeCode.Zmm[sums..(2 * sums)], outputs = NativeCode.Zmm[(2 * sums)..(3 * sums)];
        AssemblerRegisterZMM[] values = NativeCode.Zmm[24..(24 + rows)], weights = NativeCode.Zmm[28..30], nowhere = NativeCode.Zmm[30..];

        NativeCode.Enter(a);
        for (int i = 0; i < sums; i++)
        {
            a.vmovups(outputs[i], __zmmword_ptr[y + LineBytes * i]);
        }
        Label group = a.CreateLabel();
        a.Label(ref group);
        for (int run = 0; run < Int8Panels.Runs; run++)
        {
            Start(run);
            for (int quad = 0; quad < Quads; quad++)
            {
                Quad(run, quad);
            }
            Fold(run);
        }
        for (int i = 0; i < sums; i++)
        {
            a.vfmadd231ps(outputs[i], total[i], __dword_bcst[x + Int8Panels.Runs * starts + i / Vectors * sizeof(float)]);
        }
        a.add(blocks, Int8Panels.BlockBytes);
        a.add(x, rows * Int8Panels.Operand.GroupBytes);
        if (asked > 0)
        {
            a.add(target, LineBytes * asked);
        }
        a.dec(groups);
        a.jne(group);
        for (int i = 0; i < sums; i++)
        {
            a.vmovups(__zmmword_ptr[y + LineBytes * i], outputs[i]);
        }
        NativeCode.Leave(a);

        AssemblerRegisterZMM Sum(int row, int vector) => NativeCode.Zmm[row * Vectors + vector];

        // From what the bias of the codes will add.
        void Start(int run)
        {
            for (int r = 0; r < rows; r++)
            {
                a.vpbroadcastd(Sum(r, 0), __dword_ptr[x + run * starts + r * sizeof(int)]);
                a.vmovdqa64(Sum(r, 1), Sum(r, 0));
            }
        }

        // Four columns.
        void Quad(int run, int quad)
        {
            for (int r = 0; r < rows; r++)
            {
                a.vpbroadcastd(values[r], __dword_ptr[x + (Int8Panels.Runs + 1 + run * Quads + quad) * starts + r * sizeof(uint)]);
            }
            for (int v = 0; v < Vectors; v++)
            {
                AssemblerRegisterZMM codes = weights[(quad * Vectors + v) % weights.Length];
                a.vmovdqu64(codes, __zmmword_ptr[blocks + run * Int8Panels.RunBytes + (quad * Vectors + v) * LineBytes]);
                for (int r = 0; r < rows; r++)
                {
                    a.vpdpbusd(Sum(r, v), codes, values[r]);
                }
                for (int i = rows; near && ahead == 4 && i < Pace; i++)
                {
                    a.vpdpbusd(nowhere[i % 2], codes, values[0]);
                }
                Prefetch();
            }
        }

        void Fold(int run)
        {
            Prefetch();
            for (int v = 0; v < Vectors; v++)
            {
                AssemblerRegisterZMM scales = weights[v];
                a.vcvtph2ps(scales, __ymmword_ptr[blocks + run * Int8Panels.RunBytes + Int8Panels.CodeBytes + v * LineBytes / 2]);
                for (int r = 0; r < rows; r++)
                {
                    a.vcvtdq2ps(Sum(r, v), Sum(r, v));
                    if (run == 0)
                    {
                        a.vmulps(total[r * Vectors + v], Sum(r, v), scales);
                    }
                    else
                    {
                        a.vfmadd231ps(total[r * Vectors + v], Sum(r, v), scales);
                    }
                }
            }
        }

        // After each line that was read.
        void Prefetch()
        {
            lines++;
            if (near)
            {
                a.prefetcht0(__byte_ptr[blocks + LineBytes * (lines - 1) + NearBytes]);
            }
            for (; asked * 4 < lines * ahead; asked++)
            {
                a.prefetcht1(__byte_ptr[target + LineBytes * asked]);
            }
        }
    }
}
