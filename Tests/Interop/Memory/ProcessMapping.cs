using System.Globalization;

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

    /// <summary>A line's number of bytes.</summary>
    public static long Bytes(nint address, string name) => 1024 * long.Parse(Read(address, name)[..^"kB".Length], CultureInfo.InvariantCulture);
}
