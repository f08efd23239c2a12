using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Kernels.Assembly;

/// <summary>
/// Writes the bf16 tile kernels, which the runtime has no intrinsics for: a few tokens times 32 rows with vdpbf16ps.
/// A kernel takes the address of a <see cref="TileArguments"/> and uses only registers that a callee may change, apart from
/// xmm6 to xmm15 on Windows, which it saves.
/// </summary>
internal static class Bf16DotAssembler
{
    /// <summary>Most tokens of a tile: 28 sums, two weight vectors and two broadcasts fill the 32 registers.</summary>
    public const int MaxTokens = 14;

    private static readonly AssemblerRegisterZMM[] s_zmm =
    [
        zmm0, zmm1, zmm2, zmm3, zmm4, zmm5, zmm6, zmm7, zmm8, zmm9, zmm10, zmm11, zmm12, zmm13, zmm14, zmm15,
        zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27, zmm28, zmm29, zmm30, zmm31,
    ];

    private static readonly AssemblerRegisterXMM[] s_saved = [xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15];

    /// <summary>Machine code for the given number of tokens, 1 to <see cref="MaxTokens"/>.</summary>
    public static byte[] Assemble(int tokens, bool windows)
    {
        var a = new Assembler(64);
        AssemblerRegister64 arguments = windows ? rcx : rdi;
        if (windows)
        {
            a.sub(rsp, 16 * s_saved.Length + 8);
            for (int i = 0; i < s_saved.Length; i++)
            {
                a.vmovups(__xmmword_ptr[rsp + 16 * i], s_saved[i]);
            }
        }
        Label zero = a.CreateLabel("zero"), ready = a.CreateLabel("ready"), loop = a.CreateLabel("loop"), end = a.CreateLabel("end");
        a.mov(rax, __qword_ptr[arguments]);
        a.mov(rdx, __qword_ptr[arguments + 8]);
        a.mov(r8, __qword_ptr[arguments + 16]);
        a.mov(r9, __qword_ptr[arguments + 24]);
        a.mov(r10, __qword_ptr[arguments + 32]);
        a.mov(r11, __qword_ptr[arguments + 40]);
        a.test(r11, r11);
        a.je(zero);
        a.mov(r11, r9);
        for (int t = 0; t < tokens; t++)
        {
            a.vmovups(s_zmm[2 * t], __zmmword_ptr[r11]);
            a.vmovups(s_zmm[2 * t + 1], __zmmword_ptr[r11 + 64]);
            a.add(r11, r10);
        }
        a.jmp(ready);
        a.Label(ref zero);
        for (int i = 0; i < 2 * tokens; i++)
        {
            a.vpxord(s_zmm[i], s_zmm[i], s_zmm[i]);
        }
        a.Label(ref ready);
        a.test(r8, r8);
        a.je(end);
        a.Label(ref loop);
        a.vmovups(zmm28, __zmmword_ptr[rdx]);
        a.vmovups(zmm29, __zmmword_ptr[rdx + 64]);
        for (int t = 0; t < tokens; t++)
        {
            AssemblerRegisterZMM x = s_zmm[30 + (t & 1)];
            a.vpbroadcastd(x, __dword_ptr[rax + 4 * t]);
            a.vdpbf16ps(s_zmm[2 * t], x, zmm28);
            a.vdpbf16ps(s_zmm[2 * t + 1], x, zmm29);
        }
        a.add(rax, 4 * tokens);
        a.add(rdx, 128);
        a.dec(r8);
        a.jne(loop);
        a.Label(ref end);
        for (int t = 0; t < tokens; t++)
        {
            a.vmovups(__zmmword_ptr[r9], s_zmm[2 * t]);
            a.vmovups(__zmmword_ptr[r9 + 64], s_zmm[2 * t + 1]);
            a.add(r9, r10);
        }
        if (windows)
        {
            for (int i = 0; i < s_saved.Length; i++)
            {
                a.vmovups(s_saved[i], __xmmword_ptr[rsp + 16 * i]);
            }
            a.add(rsp, 16 * s_saved.Length + 8);
        }
        a.vzeroupper();
        a.ret();
        using var stream = new MemoryStream();
        a.Assemble(new StreamCodeWriter(stream), rip: 0);
        return stream.ToArray();
    }
}
