using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Memory;

/// <summary>How the system supplies memory.</summary>
/// <remarks>
/// Large pages are for memory that is read from end to end: the processor then looks up 512 times fewer addresses, and reading is
/// up to 40 % faster.
/// </remarks>
public static partial class HugePages
{
    /// <summary>Bytes of a large page, and the alignment from which one can begin.</summary>
    public const int Bytes = 2 << 20;

    private const int AdviseHugePage = 14, PopulateWrite = 23;

    /// <summary>
    /// Asks for large pages. Memory that was touched already changes over as the system finds time, on Linux some megabytes a
    /// second. Advice: systems without it, and those that have no large page left, supply small ones.
    /// </summary>
    /// <param name="address">First byte.</param>
    /// <param name="bytes">How many; only whole pages among them become large.</param>
    /// <returns>Whether the system took the advice.</returns>
    public static bool Advise(nint address, long bytes)
    {
        nint first = (address + Bytes - 1) & -Bytes, end = (nint)(address + bytes) & -Bytes;
        return OperatingSystem.IsLinux() && end > first && Advise(first, (nuint)(end - first), AdviseHugePage) == 0;
    }

    /// <summary>
    /// Supplies memory that will be written at once, instead of a page at each first touch. Advice, as <see cref="Advise(nint, long)"/>.
    /// </summary>
    /// <param name="address">First byte; pages that the range has a part of are supplied whole.</param>
    /// <param name="bytes">How many.</param>
    /// <returns>Whether the system took the advice.</returns>
    public static bool Populate(nint address, long bytes)
    {
        nint page = Environment.SystemPageSize, first = address & -page, end = (nint)(address + bytes + page - 1) & -page;
        return OperatingSystem.IsLinux() && bytes > 0 && Advise(first, (nuint)(end - first), PopulateWrite) == 0;
    }

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    private static partial int Advise(nint address, nuint length, int advice);
}
