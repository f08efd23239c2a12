using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Llama4Kernels.Benchmarks.Peers;

/// <summary>Which processor the calling thread runs on; Linux.</summary>
internal static partial class Affinity
{
    /// <summary>Keeps the calling thread on one processor.</summary>
    /// <exception cref="Win32Exception">The system refuses.</exception>
    public static void Set(int processor)
    {
        Span<ulong> mask = stackalloc ulong[16];
        mask.Clear();
        mask[processor / 64] = 1UL << (processor % 64);
        if (SetAffinity(0, (nuint)(mask.Length * sizeof(ulong)), mask) != 0)
        {
            throw new Win32Exception();
        }
    }

    [LibraryImport("libc", EntryPoint = "sched_setaffinity", SetLastError = true)]
    private static partial int SetAffinity(int thread, nuint bytes, ReadOnlySpan<ulong> mask);
}
