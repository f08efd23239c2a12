using System.Runtime.Intrinsics.X86;

namespace Llama4Kernels.Kernels.Assembly;

/// <summary>Processor features that assembled kernels use and .NET does not report.</summary>
public static class CpuFeatures
{
    /// <summary>AVX-512 F and BW, enabled by the operating system, in a 64-bit x86 process.</summary>
    public static bool Avx512 { get; } = Avx512BW.X64.IsSupported;

    /// <summary>BF16 dot product (VDPBF16PS on 512-bit registers): CPUID leaf 7.1, EAX bit 5.</summary>
    public static bool Avx512Bf16 { get; } = Avx512 && (Leaf7Sub1Eax() & (1 << 5)) != 0;

    /// <summary>Integer dot product (VPDPBUSD on 512-bit registers): CPUID leaf 7, ECX bit 11.</summary>
    public static bool Avx512Vnni { get; } = Avx512 && (X86Base.CpuId(7, 0).Ecx & (1 << 11)) != 0;

    /// <summary>AVX2 with fused multiplication and addition and halves (F16C), in a 64-bit x86 process.</summary>
    public static bool Avx2 { get; } = System.Runtime.Intrinsics.X86.Avx2.X64.IsSupported && Fma.IsSupported && (X86Base.CpuId(1, 0).Ecx & (1 << 29)) != 0;

    /// <summary>Integer dot product in the encoding of AVX (VPDPBUSD on 256-bit registers): CPUID leaf 7.1, EAX bit 4.</summary>
    public static bool AvxVnni { get; } = Avx2 && (Leaf7Sub1Eax() & (1 << 4)) != 0;

    /// <summary>Integer dot product on 256-bit registers, in the encoding of AVX or in that of AVX-512.</summary>
    public static bool IntegerDot256 { get; } = AvxVnni || (Avx2 && Avx512Vnni && Avx512BW.VL.IsSupported);

    private static int Leaf7Sub1Eax() =>
        X86Base.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && X86Base.CpuId(7, 0).Eax >= 1 ? X86Base.CpuId(7, 1).Eax : 0;
}
