using System.Runtime.Intrinsics.X86;

namespace Llama4Kernels.Kernels.Assembly;

/// <summary>Processor features that the runtime has no intrinsics for, read from CPUID once.</summary>
public static class CpuFeatures
{
    /// <summary>AVX512_BF16 (vdpbf16ps), with AVX-512 enabled by the system.</summary>
    public static bool Avx512Bf16 { get; } = Avx512F.IsSupported && Bit(subleaf: 1, register: 0, bit: 5);

    /// <summary>AVX512_VNNI (vpdpbusd), with AVX-512 enabled by the system.</summary>
    public static bool Avx512Vnni { get; } = Avx512F.IsSupported && Bit(subleaf: 0, register: 2, bit: 11);

    // A bit of CPUID leaf 7; registers are numbered eax, ebx, ecx, edx.
    private static bool Bit(int subleaf, int register, int bit)
    {
        if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < 7 || X86Base.CpuId(7, 0).Eax < subleaf)
        {
            return false;
        }
        (int eax, int ebx, int ecx, int edx) = X86Base.CpuId(7, subleaf);
        int value = register switch { 0 => eax, 1 => ebx, 2 => ecx, _ => edx };
        return ((value >> bit) & 1) != 0;
    }
}
