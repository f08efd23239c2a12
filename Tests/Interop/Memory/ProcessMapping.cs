using System.Globalization;
using System.Runtime.InteropServices;

namespace Llama4Kernels.Tests.Interop.Memory;

/// <summary>What Linux tells of the mapping that an address lies in.</summary>
internal static class ProcessMapping
{
    private const string File = "/proc/self/smaps";

    /// <summary>Skips a test where nothing is told.</summary>
    public static void SkipUnlessTold() => Assert.SkipUnless(System.IO.File.Exists(File), "Only Linux tells how memory is mapped.");

    /// <summary>A line's value, without its name.</summary>
    public static string Read(nint address, string name)
    {
        bool own = false;
        foreach (string line in System.IO.File.ReadLines(File))
        {
            string first = line.Split(' ')[0];
            if (!first.EndsWith(':') && first.Contains('-', StringComparison.Ordinal))
            {
                nint[] ends = [.. first.Split('-').Select(end => nint.Parse(end, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
                own = address >= ends[0] && address < ends[1];
            }
            else if (own && first == name + ":")
            {
                return line[first.Length..].Trim();
            }
        }
        throw new InvalidOperationException($"{address:x} is not mapped, or has no {name}.");
    }

    /// <summary>How many bytes of the pages of a range are in memory. A mapping's own figure counts neighbours that were joined with it.</summary>
    public static long PresentBytes(nint address, long bytes)
    {
        int page = Environment.SystemPageSize;
        nint first = address / page, end = (nint)((address + bytes + page - 1) / page);
        byte[] entries = new byte[(end - first) * sizeof(ulong)];
        using FileStream map = System.IO.File.OpenRead("/proc/self/pagemap");
        map.Position = first * sizeof(ulong);
        map.ReadExactly(entries);
        // The highest bit of a page's entry: it is present.
        return (long)page * MemoryMarshal.Cast<byte, long>(entries).ToArray().Count(entry => entry < 0);
    }
}
