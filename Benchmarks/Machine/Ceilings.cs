using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Iced.Intel;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Threading;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Benchmarks.Machine;

/// <summary>Limits of this machine, measured in the process that quotes them. Best of several runs.</summary>
internal static unsafe class Ceilings
{
    private const long ReadItemBytes = 320 * 1024;
    private const long PeakSteps = 4_000_000;

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

    /// <summary>Bytes per second of reading the given buffers (as sequential items shared out by the team).</summary>
    public static double ReadBandwidth(ThreadTeam team, IReadOnlyList<(nint Data, long Bytes)> buffers, int repeats = 5)
    {
        double seconds = Best(repeats, () =>
        {
            foreach ((nint data, long bytes) in buffers)
            {
                team.Run((int)(bytes / ReadItemBytes), new ReadJob((byte*)data));
            }
        });
        return buffers.Sum(b => b.Bytes / ReadItemBytes * ReadItemBytes) / seconds;
    }

    /// <summary>float32 FMA operations per second (two per multiply-add) from registers, on the whole team.</summary>
    public static double FmaPeak(ThreadTeam team) => Peak(team, dot: false);

    /// <summary>vdpbf16ps operations per second (two per product) from registers, on the whole team.</summary>
    public static double DotPeak(ThreadTeam team) => Peak(team, dot: true);

    private static double Peak(ThreadTeam team, bool dot)
    {
        using ExecutableMemory code = ExecutableMemory.Create(PeakLoop(dot));
        var job = new PeakJob((delegate* unmanaged<long, void>)code.Address);
        double seconds = Best(6, () => team.Run(team.Threads, job));
        return team.Threads * PeakSteps * 16.0 * (dot ? 64 : 32) / seconds;
    }

    // 16 independent sums in registers that every calling convention leaves free.
    private static byte[] PeakLoop(bool dot)
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
            if (dot)
            {
                a.vdpbf16ps(sum, zmm30, zmm31);
            }
            else
            {
                a.vfmadd231ps(sum, zmm30, zmm31);
            }
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

    private readonly struct ReadJob(byte* data) : ITeamJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int item, int worker)
        {
            byte* at = data + item * ReadItemBytes;
            Vector512<long> a = default, b = default, c = default, d = default;
            for (byte* end = at + ReadItemBytes; at < end; at += 256)
            {
                a ^= Vector512.Load((long*)at);
                b ^= Vector512.Load((long*)(at + 64));
                c ^= Vector512.Load((long*)(at + 128));
                d ^= Vector512.Load((long*)(at + 192));
            }
            Consume(a ^ b ^ c ^ d);
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void Consume(Vector512<long> value) => _ = value;
    }
}
