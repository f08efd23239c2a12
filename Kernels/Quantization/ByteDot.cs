using Iced.Intel;
using Llama4Kernels.Kernels.Assembly;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>How assembled tiles of 256 bits multiply unsigned codes with signed ones, four neighbours of each 32 bits.</summary>
/// <param name="IsDot">By the integer dot product, straight to 32 bits; else by products of bytes that are summed in 16.</param>
internal readonly record struct ByteDot(bool IsDot)
{
    /// <summary>Products of bytes that sums of 16 bits hold: each two products of codes below 16 with at most 127.</summary>
    public const int ShortSums = 8;

    /// <summary>sum += codes · x, or sum = that where it is the first product of a sum of 16 bits.</summary>
    public void Multiply(Assembler a, AssemblerRegisterYMM sum, AssemblerRegisterYMM codes, AssemblerRegisterYMM x, AssemblerRegisterYMM free, bool isFirst)
    {
        if (IsDot)
        {
            (CpuFeatures.AvxVnni ? a.vex : a.evex).vpdpbusd(sum, codes, x);
        }
        else if (isFirst)
        {
            a.vpmaddubsw(sum, codes, x);
        }
        else
        {
            a.vpmaddubsw(free, codes, x);
            a.vpaddw(sum, sum, free);
        }
    }

    /// <summary>A register of 16-bit ones, by which sums of 16 bits are summed in pairs.</summary>
    public static void Ones(Assembler a, AssemblerRegisterYMM register)
    {
        a.vpcmpeqd(register, register, register);
        a.vpsrlw(register, register, 15);
    }

    /// <summary>The low halves of bytes, and the high ones.</summary>
    public static void Halves(Assembler a, AssemblerMemoryOperand from, AssemblerRegisterYMM low, AssemblerRegisterYMM high, AssemblerRegisterYMM mask)
    {
        a.vmovdqu(high, from);
        a.vpand(low, high, mask);
        a.vpsrlw(high, high, 4);
        a.vpand(high, high, mask);
    }
}
