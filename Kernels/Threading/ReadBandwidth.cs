using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

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
            return Measure(team, [((nint)data, (long)items * ItemBytes)], repeats);
        }
        finally
        {
            NativeMemory.AlignedFree(data);
        }
    }

    /// <summary>The same over given memory, whose place decides its speed: the better of plain reading and reading with prefetch.</summary>
    /// <param name="team">The threads that read.</param>
    /// <param name="buffers">Address and bytes of each buffer; what is left over of whole MiB is not read.</param>
    /// <param name="repeats">Readings of each kind, at least 1.</param>
    public static double Measure(ThreadTeam team, IReadOnlyList<(nint Data, long Bytes)> buffers, int repeats = 5)
    {
        double best = double.PositiveInfinity;
        for (int i = 0; i < 2 * repeats; i++)
        {
            long start = Stopwatch.GetTimestamp();
            foreach ((nint data, long bytes) in buffers)
            {
                team.Run(checked((int)(bytes / ItemBytes)), new ReadJob((byte*)data, prefetch: i % 2 == 1));
            }
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return buffers.Sum(b => b.Bytes / ItemBytes * ItemBytes) / best;
    }

    private readonly struct ReadJob(byte* data, bool prefetch) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            byte* at = data + (long)item * ItemBytes;
            Vector512<long> a = default, b = default, c = default, d = default;
            for (byte* end = at + ItemBytes; at < end; at += 256)
            {
                if (prefetch && Sse.IsSupported)
                {
                    Sse.Prefetch0(at + 2048);
                    Sse.Prefetch0(at + 2048 + 64);
                    Sse.Prefetch0(at + 2048 + 128);
                    Sse.Prefetch0(at + 2048 + 192);
                }
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
