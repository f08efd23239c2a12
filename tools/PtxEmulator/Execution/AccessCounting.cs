using System.Numerics;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>Counts what a warp's access costs: 32-byte sectors in global memory, passes through 32 banks in shared memory.</summary>
internal static unsafe class AccessCounting
{
    public static void Count(Warp warp, Space space, ulong* addresses, int bytes)
    {
        ref MemoryCounts counts = ref warp.Block.Counters.Memory(warp);
        Span<ulong> global = stackalloc ulong[32];
        Span<ulong> shared = stackalloc ulong[32];
        int globals = 0;
        int shareds = 0;
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            ulong address = addresses[BitOperations.TrailingZeroCount(rest)];
            Space found = warp.Resolve(space, ref address);
            if (found == Space.Global)
            {
                global[globals++] = address;
            }
            else if (found == Space.Shared)
            {
                shared[shareds++] = address;
            }
        }
        if (globals > 0)
        {
            counts.Sectors += Sectors(global[..globals], bytes, warp.Block.Footprint, warp.Running.WritesMemory);
            counts.GlobalBytes += (long)globals * bytes;
        }
        if (shareds > 0)
        {
            // Wide accesses go through in phases: 16 lanes of 8 bytes, 8 lanes of 16.
            int phase = bytes <= 4 ? 32 : 128 / bytes;
            for (int first = 0; first < shareds; first += phase)
            {
                int wavefronts = Wavefronts(shared[first..Math.Min(first + phase, shareds)], bytes);
                counts.Wavefronts += wavefronts;
                counts.Conflicts += wavefronts - 1;
            }
            counts.SharedBytes += (long)shareds * bytes;
        }
    }

    /// <summary>ldmatrix passes one matrix of eight 16-byte rows at a time.</summary>
    public static void CountMatrix(Warp warp, Space space, ulong* addresses, int matrices)
    {
        ref MemoryCounts counts = ref warp.Block.Counters.Memory(warp);
        Span<ulong> rows = stackalloc ulong[8];
        for (int matrix = 0; matrix < matrices; matrix++)
        {
            for (int row = 0; row < 8; row++)
            {
                rows[row] = addresses[(matrix * 8) + row];
                warp.Resolve(space, ref rows[row]);
            }
            int wavefronts = Wavefronts(rows, 16);
            counts.Wavefronts += wavefronts;
            counts.Conflicts += wavefronts - 1;
            counts.SharedBytes += 128;
        }
    }

    private static int Sectors(ReadOnlySpan<ulong> addresses, int bytes, Footprint? footprint, bool writes)
    {
        Span<ulong> seen = stackalloc ulong[64];
        int count = 0;
        foreach (ulong address in addresses)
        {
            for (ulong sector = address >> 5; sector <= (address + (ulong)bytes - 1) >> 5; sector++)
            {
                if (!seen[..count].Contains(sector))
                {
                    seen[count++] = sector;
                    footprint?.Touch(sector, writes);
                }
            }
        }
        return count;
    }

    /// <summary>The most distinct words that fall on one bank.</summary>
    private static int Wavefronts(ReadOnlySpan<ulong> addresses, int bytes)
    {
        Span<ulong> words = stackalloc ulong[128];
        Span<int> banks = stackalloc int[32];
        banks.Clear();
        int count = 0;
        int most = 1;
        foreach (ulong address in addresses)
        {
            for (ulong word = address >> 2; word <= (address + (ulong)bytes - 1) >> 2; word++)
            {
                if (!words[..count].Contains(word))
                {
                    words[count++] = word;
                    most = Math.Max(most, ++banks[(int)(word & 31)]);
                }
            }
        }
        return most;
    }
}
