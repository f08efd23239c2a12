using Iced.Intel;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// A micro-kernel for a tile of 1 … 8 rows of <see cref="DotOperand"/> × one panel of 32 outputs of <see cref="PackedMatrix"/>,
/// assembled for the BF16 dot product of AVX-512: two accumulators for each row, which take pairs of columns in ascending order
/// whatever the number of rows. A pair of columns costs a load of weights (<see cref="DotCodes"/>), and a load and
/// two dot products a row; the dot products, one a cycle with a latency of six, are the limit of many rows, reading the weights of few.
/// <code>
/// void tile(byte* weights, byte* x, float* from, float* y, long pairs, byte* ahead)
/// </code>
/// from and y are [rows, 32] float32 and may be the same: y is from + x · weights. ahead is where to prefetch from.
/// </summary>
internal sealed unsafe class AssembledDotTile : IDisposable
{
    // Pairs that a turn of the loop takes.
    private const int Unrolled = 4;

    // Bytes ahead of the stream that come into the first-level cache.
    private const int NearBytes = 1536;

    // Dot products a line at which the stream is slower than memory: one that overtakes what it has asked for waits for each line.
    private const int Pace = 6;

    private readonly ExecutableMemory _code;

    /// <param name="codes">What the weights are.</param>
    /// <param name="rows">1 … 8.</param>
    /// <param name="ahead">Lines that are prefetched into the second-level cache for each four that are read: 0, 1, 2 or 4.</param>
    /// <param name="near">Whether the stream's own next lines are prefetched into the first-level cache.</param>
    public AssembledDotTile(DotCodes codes, int rows, int ahead, bool near)
    {
        _code = NativeCode.Make(a => Emit(a, codes, rows, ahead, near));
        Run = (delegate* unmanaged<byte*, byte*, float*, float*, long, byte*, void>)_code.Address;
    }

    public delegate* unmanaged<byte*, byte*, float*, float*, long, byte*, void> Run { get; }

    public void Dispose() => _code.Dispose();

    private static void Emit(Assembler a, DotCodes codes, int rows, int ahead, bool near)
    {
        AssemblerRegister64 weights = rdi, x = rsi, from = rdx, y = rcx, pairs = r8, target = r9, turns = rax;
        int lines = codes.PairBytes / 64, read = 0, asked = 0;
        AssemblerRegisterZMM[] constants = NativeCode.Zmm[(2 * rows)..(2 * rows + codes.Constants.Length / 64)], free = NativeCode.Zmm[(2 * rows + constants.Length)..];
        // Weights of a pair and of the one before, whose products may not have begun.
        AssemblerRegisterZMM[][] weightsOf = [free[..codes.Temporaries], free[codes.Temporaries..(2 * codes.Temporaries)]];
        // With few rows the others of a line's products are idle ones.
        int idle = near ? Math.Max(0, Pace * lines - 2 * rows) : 0;
        AssemblerRegisterZMM[] values = free[(2 * codes.Temporaries)..^idle], nowhere = free[^idle..];

        NativeCode.Enter(a);
        for (int i = 0; i < 2 * rows; i++)
        {
            a.vmovups(NativeCode.Zmm[i], __zmmword_ptr[from + 64 * i]);
        }
        for (int i = 0; i < constants.Length; i++)
        {
            a.mov(rax, codes.ConstantsAddress + 64 * i);
            a.vmovdqu64(constants[i], __zmmword_ptr[rax]);
        }
        Label loop = a.CreateLabel(), rest = a.CreateLabel(), single = a.CreateLabel(), end = a.CreateLabel();
        a.mov(turns, pairs);
        a.shr(turns, 2);
        a.je(rest);
        a.Label(ref loop);
        for (int pair = 0; pair < Unrolled; pair++)
        {
            Pair(pair, true);
        }
        a.add(weights, Unrolled * codes.PairBytes);
        a.add(x, Unrolled * rows * sizeof(uint));
        if (asked > 0)
        {
            a.add(target, 64 * asked);
        }
        a.dec(turns);
        a.jne(loop);
        a.Label(ref rest);
        a.and(pairs, Unrolled - 1);
        a.je(end);
        a.Label(ref single);
        Pair(0, false);
        a.add(weights, codes.PairBytes);
        a.add(x, rows * sizeof(uint));
        a.dec(pairs);
        a.jne(single);
        a.Label(ref end);
        for (int i = 0; i < 2 * rows; i++)
        {
            a.vmovups(__zmmword_ptr[y + 64 * i], NativeCode.Zmm[i]);
        }
        NativeCode.Leave(a);

        void Pair(int index, bool prefetch)
        {
            (AssemblerRegisterZMM low, AssemblerRegisterZMM high) = codes.Load(a, weights, index * codes.PairBytes, constants, weightsOf[index % 2]);
            for (int line = 0; prefetch && line < lines; line++)
            {
                Prefetch();
            }
            for (int r = 0; r < rows; r++)
            {
                AssemblerRegisterZMM value = values[(index * rows + r) % values.Length];
                a.vpbroadcastd(value, __dword_ptr[x + sizeof(uint) * (index * rows + r)]);
                a.vdpbf16ps(NativeCode.Zmm[2 * r], low, value);
                a.vdpbf16ps(NativeCode.Zmm[2 * r + 1], high, value);
            }
            for (int i = 0; prefetch && i < idle; i++)
            {
                a.vdpbf16ps(nowhere[i], low, high);
            }
        }

        // After each line that was read.
        void Prefetch()
        {
            read++;
            if (near)
            {
                a.prefetcht0(__byte_ptr[weights + 64 * (read - 1) + NearBytes]);
            }
            for (; asked * 4 < read * ahead; asked++)
            {
                a.prefetcht1(__byte_ptr[target + 64 * asked]);
            }
        }
    }
}
