using System.Diagnostics;
using System.Runtime.InteropServices;
using Iced.Intel;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Threading;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Benchmarks.Machine;

/// <summary>Limits of this machine, measured in the process that quotes them. Best of several runs.</summary>
internal static unsafe class Ceilings
{
    // A millisecond: short enough to run now and then without an interruption on a busy machine.
    private const long PeakSteps = 250_000;

    /// <summary>Seconds of the fastest of <paramref name="repeats"/> runs.</summary>
    public static double Best(int repeats, Action run)
    {
        double best = double.MaxValue;
        for (int i = 0; i < repeats; i++)
        {
            long start = Stopwatch.GetTimestamp();
            run();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }

    /// <summary>
    /// Seconds until the team has touched fresh memory of this size once, a page at a time: what the system takes to supply
    /// it, and the least that loading into it can take.
    /// </summary>
    public static double FreshMemory(ThreadTeam team, long bytes)
    {
        byte* data = (byte*)NativeMemory.AlignedAlloc((nuint)bytes, 64);
        double seconds = Best(1, () => team.Run(checked((int)(bytes >> 20)), new TouchJob(data)));
        NativeMemory.AlignedFree(data);
        return seconds;
    }

    /// <summary>float32 FMA operations per second (two per multiply-add) from registers, on the whole team.</summary>
    public static double FmaPeak(ThreadTeam team) => Peak(team, 32, (a, sum) => a.vfmadd231ps(sum, zmm30, zmm31));

    /// <summary>vdpbf16ps operations per second (two per product) from registers, on the whole team.</summary>
    public static double DotPeak(ThreadTeam team) => Peak(team, 64, (a, sum) => a.vdpbf16ps(sum, zmm30, zmm31));

    /// <summary>vpdpbusd operations per second (two per product) from registers, on the whole team.</summary>
    public static double IntegerDotPeak(ThreadTeam team) => Peak(team, 128, (a, sum) => a.vpdpbusd(sum, zmm30, zmm31));

    private static double Peak(ThreadTeam team, int operations, Action<Assembler, AssemblerRegisterZMM> multiply)
    {
        using ExecutableMemory code = ExecutableMemory.Create(PeakLoop(multiply));
        var job = new PeakJob((delegate* unmanaged<long, void>)code.Address);
        double seconds = Best(60, () => team.Run(team.Threads, job));
        return team.Threads * PeakSteps * 16.0 * operations / seconds;
    }

    // 16 independent sums in registers that every calling convention leaves free.
    private static byte[] PeakLoop(Action<Assembler, AssemblerRegisterZMM> multiply)
    {
        AssemblerRegisterZMM[] sums =
        [
            zmm0, zmm1, zmm2, zmm3, zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27,
        ];
        var a = new Assembler(64);
        AssemblerRegister64 counter = OperatingSystem.IsWindows() ? rcx : rdi;
        // Zeros times zeros: the same speed, and no subnormal can appear.
        foreach (AssemblerRegisterZMM register in (AssemblerRegisterZMM[])[.. sums, zmm30, zmm31])
        {
            a.vpxord(register, register, register);
        }
        Label loop = a.CreateLabel();
        a.Label(ref loop);
        foreach (AssemblerRegisterZMM sum in sums)
        {
            multiply(a, sum);
        }
        a.dec(counter);
        a.jne(loop);
        a.vzeroupper();
        a.ret();
        using var stream = new MemoryStream();
        a.Assemble(new StreamCodeWriter(stream), 0);
        return stream.ToArray();
    }

    private readonly struct PeakJob(delegate* unmanaged<long, void> code) : ITeamJob
    {
        public void Execute(int item, int worker) => code(PeakSteps);
    }

    private readonly struct TouchJob(byte* data) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            byte* at = data + ((long)item << 20);
            for (int page = 0; page < 1 << 20; page += 4096)
            {
                at[page] = 1;
            }
        }
    }
}
