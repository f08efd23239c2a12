using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Threading;

/// <summary>How fast this machine reads memory: the ceiling of decode speed, to be measured in the run that quotes it.</summary>
public static unsafe class ReadBandwidth
{
    private const int ItemBytes = 1 << 20;

    /// <summary>Bytes a second, the best of <paramref name="repeats"/> sequential readings of a buffer by the whole team.</summary>
    /// <param name="team">The threads that read.</param>
    /// <param name="bytes">Size of the buffer, rounded up to whole MiB; larger than the caches for the memory's speed.</param>
    /// <param name="repeats">Readings, at least 1.</param>
    public static double Measure(ThreadTeam team, long bytes, int repeats = 5)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(repeats);
        int items = checked((int)((bytes + ItemBytes - 1) / ItemBytes));
        byte* data = (byte*)NativeMemory.AlignedAlloc((nuint)items * ItemBytes, 64);
        try
        {
            // Untouched pages would all be the one zero page.
            NativeMemory.Fill(data, (nuint)items * ItemBytes, 1);
            double best = double.PositiveInfinity;
            for (int i = 0; i < repeats; i++)
            {
                long start = Stopwatch.GetTimestamp();
                team.Run(items, new ReadJob(data));
                best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
            return (double)items * ItemBytes / best;
        }
        finally
        {
            NativeMemory.AlignedFree(data);
        }
    }

    private readonly struct ReadJob(byte* data) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            byte* at = data + (long)item * ItemBytes;
            Vector512<long> a = default, b = default, c = default, d = default;
            for (byte* end = at + ItemBytes; at < end; at += 256)
            {
                a ^= Vector512.Load((long*)at);
                b ^= Vector512.Load((long*)(at + 64));
                c ^= Vector512.Load((long*)(at + 128));
                d ^= Vector512.Load((long*)(at + 192));
            }
            Keep(a ^ b ^ c ^ d);
        }

        /// <summary>Not inlined, so that the loads are not dropped as unused.</summary>
        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void Keep(Vector512<long> value) => _ = value;
    }
}
