using Iced.Intel;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Assembly;
using Llama4Kernels.Kernels.Numerics;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// Micro-kernels for 1 … 12 tokens × one panel of 32 rows, assembled for AVX-512 at run time: .NET has no control over register
/// allocation of so many accumulators. Every output is one accumulator summed in ascending column order, whatever the number of
/// tokens, so that results do not depend on the batch.
/// <code>
/// void tile(byte* panel, byte* x, long xStride, float* y, long yStride, long steps)   // strides in bytes
/// </code>
/// x holds the tokens' rows, float32 [tokens, columns]; y is [tokens, 32] float32 and is added to: sums begin at what is there.
/// </summary>
internal sealed unsafe class AssembledTile : IDisposable
{
    public const int MaxTokens = 12;

    private const int PrefetchBytes = 2048;

    private readonly ExecutableMemory _code;

    /// <param name="tokens">1 … 12</param>
    /// <param name="format">Format of the panel.</param>
    public AssembledTile(int tokens, ElementType format)
    {
        _code = NativeCode.Make(a => Emit(a, tokens, format));
        Run = (delegate* unmanaged<byte*, byte*, long, float*, long, long, void>)_code.Address;
    }

    public delegate* unmanaged<byte*, byte*, long, float*, long, long, void> Run { get; }

    public void Dispose() => _code.Dispose();

    private static void Emit(Assembler a, int tokens, ElementType format)
    {
        AssemblerRegister64 panel = rdi, x = rsi, xStride = rdx, y = rcx, yStride = r8, steps = r9;
        NativeCode.Enter(a);
        // Token t's row is x + t·stride: four base registers reach twelve rows by scaled indexing (1, 2 strides; 3 by base).
        a.push(rbx);
        a.push(rbp);
        a.push(r12);
        a.push(r13);
        AssemblerRegister64[] bases = [x, rbx, rbp, r12];
        a.lea(r13, __[xStride + xStride * 2]);
        for (int i = 1; i < (tokens + 2) / 3; i++)
        {
            a.lea(bases[i], __[bases[i - 1] + r13]);
        }
        a.mov(rax, y);
        for (int t = 0; t < tokens; t++)
        {
            a.vmovups(NativeCode.Zmm[2 * t], __zmmword_ptr[rax]);
            a.vmovups(NativeCode.Zmm[2 * t + 1], __zmmword_ptr[rax + 64]);
            a.add(rax, yStride);
        }
        bool widen = format == ElementType.BF16;
        if (widen)
        {
            a.mov(eax, unchecked((int)0xffff0000));
            a.vpbroadcastd(zmm31, eax);
        }

        AssemblerMemoryOperand Row(AssemblerMemoryOperandFactory form, int token, int offset) => (token % 3) switch
        {
            0 => form[bases[token / 3] + offset],
            1 => form[bases[token / 3] + xStride + offset],
            _ => form[bases[token / 3] + xStride * 2 + offset],
        };

        int stepBytes = widen ? 8 : 4;
        void Step(int index)
        {
            // The stream outruns what the reorder window can keep in flight beside the arithmetic: ask ahead.
            int at = index * 128, from = index * stepBytes;
            a.prefetcht0(__byte_ptr[panel + at + PrefetchBytes]);
            a.prefetcht0(__byte_ptr[panel + at + PrefetchBytes + 64]);
            a.vmovdqa32(zmm24, __zmmword_ptr[panel + at]);
            a.vmovdqa32(zmm25, __zmmword_ptr[panel + at + 64]);
            if (widen)
            {
                a.vpslld(zmm26, zmm24, 16);
                a.vpslld(zmm27, zmm25, 16);
                a.vpandd(zmm24, zmm24, zmm31);
                a.vpandd(zmm25, zmm25, zmm31);
            }
            for (int t = 0; t < tokens; t++)
            {
                Multiply(t, from, widen ? zmm26 : zmm24, widen ? zmm27 : zmm25);
            }
            for (int t = 0; widen && t < tokens; t++)
            {
                Multiply(t, from + 4, zmm24, zmm25);
            }
        }

        void Multiply(int token, int offset, AssemblerRegisterZMM low, AssemblerRegisterZMM high)
        {
            AssemblerRegisterZMM first = NativeCode.Zmm[2 * token], second = NativeCode.Zmm[2 * token + 1], value = NativeCode.Zmm[28 + token % 3];
            if (tokens > 2)
            {
                // One broadcast serves both halves of the panel: as memory operands they would load twice and bound the loop.
                a.vbroadcastss(value, Row(__dword_ptr, token, offset));
                a.vfmadd231ps(first, low, value);
                a.vfmadd231ps(second, high, value);
                return;
            }
            AssemblerMemoryOperand operand = Row(__dword_bcst, token, offset);
            a.vfmadd231ps(first, low, operand);
            a.vfmadd231ps(second, high, operand);
        }

        void Advance(int count)
        {
            a.add(panel, count * 128);
            for (int i = 0; i < (tokens + 2) / 3; i++)
            {
                a.add(bases[i], count * stepBytes);
            }
        }

        Label loop = a.CreateLabel(), paired = a.CreateLabel(), end = a.CreateLabel();
        a.test(steps, 1);
        a.je(paired);
        Step(0);
        Advance(1);
        a.Label(ref paired);
        a.shr(steps, 1);
        a.je(end);
        a.Label(ref loop);
        Step(0);
        Step(1);
        Advance(2);
        a.dec(steps);
        a.jne(loop);
        a.Label(ref end);
        for (int t = 0; t < tokens; t++)
        {
            a.vmovups(__zmmword_ptr[y], NativeCode.Zmm[2 * t]);
            a.vmovups(__zmmword_ptr[y + 64], NativeCode.Zmm[2 * t + 1]);
            a.add(y, yStride);
        }
        a.pop(r13);
        a.pop(r12);
        a.pop(rbp);
        a.pop(rbx);
        NativeCode.Leave(a);
    }
}
