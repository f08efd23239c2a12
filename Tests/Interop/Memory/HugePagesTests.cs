using System.Globalization;
using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Memory;

namespace Llama4Kernels.Tests.Interop.Memory;

/// <summary>What is asked of the system for memory changes where it lies and nothing that stands in it.</summary>
public sealed unsafe class HugePagesTests
{
    private const int Bytes = 8 << 20;

    [Fact]
    public void PopulatedMemoryIsThereBeforeItIsTouchedAndKeepsWhatStandsBesideIt()
    {
        Assert.SkipUnless(File.Exists("/proc/self/smaps"), "Only Linux tells which memory is there.");
        byte* memory = (byte*)NativeMemory.AlignedAlloc(Bytes, HugePages.Bytes);
        try
        {
            memory[0] = 1;
            memory[Bytes / 2] = 2;
            Assert.SkipUnless(HugePages.Populate((nint)memory + 1, Bytes / 2), "The system does not populate.");
            Assert.InRange(Resident((nint)memory), Bytes / 2, Bytes * 3L / 4);
            Assert.Equal((1, 2), (memory[0], memory[Bytes / 2]));
            Assert.False(new Span<byte>(memory + 1, Bytes / 2 - 1).ContainsAnyExcept((byte)0));
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }

    [Fact]
    public void NothingIsPopulatedForNoBytes() => Assert.False(HugePages.Populate(0, 0));

    /// <summary>Bytes that are in memory of the mapping that has an address.</summary>
    private static long Resident(nint address)
    {
        bool own = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string range = line.Split(' ')[0];
            if (range.Contains('-', StringComparison.Ordinal))
            {
                nint[] ends = [.. range.Split('-').Select(end => nint.Parse(end, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
                own = address >= ends[0] && address < ends[1];
            }
            else if (own && range == "Rss:")
            {
                return 1024 * long.Parse(line["Rss:".Length..^"kB".Length], CultureInfo.InvariantCulture);
            }
        }
        return 0;
    }
}
