using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Assembly;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>What choices of products depend on: what the processor has, and whether code can be assembled at run time.</summary>
/// <param name="VectorBits">Longest vectors that the processor has: 512, 256, 128, or 0.</param>
/// <param name="Avx512">AVX-512 F and BW on x86.</param>
/// <param name="Avx512Bf16">Its BF16 dot product.</param>
/// <param name="AssemblyFault">Why assembled code cannot run, or null.</param>
internal sealed record CpuLimits(int VectorBits, bool Avx512, bool Avx512Bf16, string? AssemblyFault)
{
    /// <summary>Those of this process.</summary>
    public static CpuLimits This { get; } = new(
        Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 0,
        CpuFeatures.Avx512,
        CpuFeatures.Avx512Bf16,
        CpuFeatures.Avx2 ? AssembledTiles.Fault : null)
    {
        Avx2 = CpuFeatures.Avx2,
        IntegerDot256 = CpuFeatures.IntegerDot256,
        Avx512Vnni = CpuFeatures.Avx512Vnni,
        Avx512Vbmi = System.Runtime.Intrinsics.X86.Avx512Vbmi.IsSupported,
    };

    /// <summary>AVX2 on x86, with what every processor of it has.</summary>
    public bool Avx2 { get; init; }

    /// <summary>The integer dot product in vectors of 256 bits.</summary>
    public bool IntegerDot256 { get; init; }

    /// <summary>The integer dot product of AVX-512.</summary>
    public bool Avx512Vnni { get; init; }

    /// <summary>Permutations of bytes of AVX-512.</summary>
    public bool Avx512Vbmi { get; init; }

    /// <summary>Why vectors of so many bits do not run, or null.</summary>
    public string? WhyNoVectors(int bits) => VectorBits >= bits ? null : $"needs vectors of {bits} bits, the processor has {VectorBits}";

    /// <summary>Why assembled AVX-512 code does not run, or null.</summary>
    public string? WhyNoAssembly() => !Avx512 ? "needs AVX-512, which the processor does not have" : AssemblyFault;

    /// <summary>Why the assembled BF16 dot product does not run, or null.</summary>
    public string? WhyNoDot() => WhyNoAssembly() ?? (Avx512Bf16 ? null : "needs the BF16 dot product of AVX-512, which the processor does not have");

    /// <summary>Why the assembled integer dot product does not run, or null.</summary>
    public string? WhyNoIntegerDot() => WhyNoAssembly() ?? (Avx512Vnni ? null : "needs the integer dot product of AVX-512, which the processor does not have");

    /// <summary>Why assembled AVX2 code does not run, or null.</summary>
    public string? WhyNoAssembly256() => WhyNoBytes256() ?? AssemblyFault;

    /// <summary>Why the assembled integer dot product in vectors of 256 bits does not run, or null.</summary>
    public string? WhyNoIntegerDot256() => WhyNoAssembly256() ?? (IntegerDot256 ? null : "needs the integer dot product of AVX or AVX-512, which the processor does not have");

    /// <summary>Why permutations of bytes in vectors of 512 bits do not run, or null.</summary>
    public string? WhyNoBytePermutations() => Avx512Vbmi ? null : "needs AVX-512 VBMI, which the processor does not have";

    /// <summary>Why products of bytes in vectors of 512 bits do not run, or null.</summary>
    public string? WhyNoBytes512() => Avx512 && VectorBits >= 512 ? null : "needs AVX-512 BW, which the processor does not have";

    /// <summary>Why products of bytes in vectors of 256 bits do not run, or null.</summary>
    public string? WhyNoBytes256() => Avx2 ? null : "needs AVX2, which the processor does not have";

    /// <inheritdoc/>
    public override string ToString() =>
        $"vectors of {VectorBits} bits{(Avx512 ? ", AVX-512" : "")}{(Avx512Bf16 ? ", its BF16 dot product" : "")}{(Avx512Vnni ? ", its integer dot product" : "")}{(AssemblyFault is null ? "" : $", no assembled code: {AssemblyFault}")}";
}
