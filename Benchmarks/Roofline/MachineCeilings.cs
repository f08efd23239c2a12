using System.Runtime.InteropServices;
using Llama4Kernels.Benchmarks.Machine;
using Llama4Kernels.Kernels.Assembly;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Benchmarks.Roofline;

/// <summary>Limits of this machine with all its threads, measured in this process: operations and bytes a second.</summary>
/// <param name="Threads">Threads that measured them.</param>
/// <param name="Fma">float32 multiply-adds.</param>
/// <param name="BFloat16Dot">0 where the processor has no such instruction.</param>
/// <param name="IntegerDot">0 where the processor has no such instruction.</param>
/// <param name="Reading">Reading memory.</param>
public sealed record MachineCeilings(int Threads, double Fma, double BFloat16Dot, double IntegerDot, double Reading)
{
    private const long ReadBytes = 256 << 20;

    // In large pages, as weights are, which takes a while to be supplied: once.
    private static readonly Lazy<MatrixMemory> s_read = new(() =>
    {
        MatrixMemory memory = MatrixMemory.Allocate(ReadBytes, inLargePages: true);
        unsafe
        {
            NativeMemory.Fill(memory.Pointer, (nuint)ReadBytes, 1);
        }
        return memory;
    });

    /// <summary>Measures them, in about a second.</summary>
    public static MachineCeilings Measure()
    {
        using var team = new ThreadTeam();
        return new MachineCeilings(
            team.Threads, Ceilings.FmaPeak(team), CpuFeatures.Avx512Bf16 ? Ceilings.DotPeak(team) : 0, CpuFeatures.Avx512Vnni ? Ceilings.IntegerDotPeak(team) : 0, ReadBandwidth.Measure(team, [(s_read.Value.DangerousGetHandle(), ReadBytes)], 3));
    }

    /// <summary>The peak of multipliers, or of those that stand in for them where there are none.</summary>
    public double Peak(Multipliers multipliers) => multipliers switch
    {
        Multipliers.BFloat16Dot when BFloat16Dot > 0 => BFloat16Dot,
        Multipliers.IntegerDot when IntegerDot > 0 => IntegerDot,
        _ => Fma,
    };

    /// <summary>The better of each.</summary>
    public MachineCeilings Best(MachineCeilings other) => new(
        Threads, Math.Max(Fma, other.Fma), Math.Max(BFloat16Dot, other.BFloat16Dot), Math.Max(IntegerDot, other.IntegerDot), Math.Max(Reading, other.Reading));
}
