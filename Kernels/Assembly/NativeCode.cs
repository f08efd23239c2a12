using Iced.Intel;
using Llama4Kernels.Interop.Memory;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Kernels.Assembly;

/// <summary>
/// Functions assembled at run time, whatever the system's calling convention: between <see cref="Enter"/> and
/// <see cref="Leave"/> up to six integer arguments are in rdi, rsi, rdx, rcx, r8, r9, and every vector register and rax, r10, r11
/// are free. Other registers are the caller's: who uses them pushes and pops them in between.
/// </summary>
internal static class NativeCode
{
    private const int SavedBytes = 0xa8;

    /// <summary>The vector registers by number.</summary>
    public static readonly AssemblerRegisterZMM[] Zmm =
    [
        zmm0, zmm1, zmm2, zmm3, zmm4, zmm5, zmm6, zmm7, zmm8, zmm9, zmm10, zmm11, zmm12, zmm13, zmm14, zmm15,
        zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27, zmm28, zmm29, zmm30, zmm31,
    ];

    /// <summary>Those that AVX2 has, by number.</summary>
    public static readonly AssemblerRegisterYMM[] Ymm = [ymm0, ymm1, ymm2, ymm3, ymm4, ymm5, ymm6, ymm7, ymm8, ymm9, ymm10, ymm11, ymm12, ymm13, ymm14, ymm15];

    // Callee-saved on Windows.
    private static readonly AssemblerRegisterXMM[] s_saved = [xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15];

    /// <summary>Assembles a function and makes it executable.</summary>
    /// <param name="emit">Emits it, from <see cref="Enter"/> to <see cref="Leave"/>.</param>
    /// <exception cref="PlatformNotSupportedException">The system refuses executable memory.</exception>
    public static ExecutableMemory Make(Action<Assembler> emit)
    {
        var assembler = new Assembler(64);
        emit(assembler);
        using var stream = new MemoryStream();
        assembler.Assemble(new StreamCodeWriter(stream), 0);
        return ExecutableMemory.Create(stream.ToArray());
    }

    /// <summary>Brings the arguments to one set of registers.</summary>
    public static void Enter(Assembler a)
    {
        if (!OperatingSystem.IsWindows())
        {
            return;
        }
        // rcx, rdx, r8, r9, then the stack above the return address and 32 bytes of home space.
        a.push(rdi);
        a.push(rsi);
        a.mov(rdi, rcx);
        a.mov(rsi, rdx);
        a.mov(rdx, r8);
        a.mov(rcx, r9);
        a.mov(r8, __[rsp + 0x38]);
        a.mov(r9, __[rsp + 0x40]);
        a.sub(rsp, SavedBytes);
        for (int i = 0; i < s_saved.Length; i++)
        {
            a.vmovdqu(__xmmword_ptr[rsp + i * 16], s_saved[i]);
        }
    }

    /// <summary>Returns.</summary>
    public static void Leave(Assembler a)
    {
        if (OperatingSystem.IsWindows())
        {
            for (int i = 0; i < s_saved.Length; i++)
            {
                a.vmovdqu(s_saved[i], __xmmword_ptr[rsp + i * 16]);
            }
            a.add(rsp, SavedBytes);
            a.pop(rsi);
            a.pop(rdi);
        }
        a.vzeroupper();
        a.ret();
    }
}
