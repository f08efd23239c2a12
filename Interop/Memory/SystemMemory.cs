using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Memory;

/// <summary>Pages from the operating system.</summary>
internal static partial class SystemMemory
{
    public const int ProtRead = 1;
    private const int ProtWrite = 2;
    private const int MapPrivate = 2, MapAnonymousLinux = 0x20, MapNoReserveLinux = 0x4000, MapAnonymousMac = 0x1000, MapNoReserveMac = 0x40;
    private const uint MemCommitReserve = 0x3000, MemRelease = 0x8000, PageReadWrite = 4;

    /// <summary>Zeroed pages to read and write; 0 or −1 if there are none.</summary>
    /// <param name="bytes">How many bytes.</param>
    /// <param name="isSparse">The system need not have room for all of them: Windows insists on it, others do not.</param>
    public static nint Allocate(nuint bytes, bool isSparse)
    {
        if (OperatingSystem.IsWindows())
        {
            return VirtualAlloc(0, bytes, MemCommitReserve, PageReadWrite);
        }
        (int anonymous, int noReserve) = OperatingSystem.IsMacOS() ? (MapAnonymousMac, MapNoReserveMac) : (MapAnonymousLinux, MapNoReserveLinux);
        return Map(0, bytes, ProtRead | ProtWrite, MapPrivate | anonymous | (isSparse ? noReserve : 0), -1, 0);
    }

    /// <summary>Gives pages back.</summary>
    public static bool Free(nint address, nuint bytes) =>
        OperatingSystem.IsWindows() ? VirtualFree(address, 0, MemRelease) : Unmap(address, bytes) == 0;

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    public static partial int Protect(nint address, nuint length, int protection);

    [LibraryImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    public static partial bool VirtualProtect(nint address, nuint length, uint protection, out uint previous);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(nint address, nuint length);

    [LibraryImport("kernel32", SetLastError = true)]
    private static partial nint VirtualAlloc(nint address, nuint length, uint type, uint protection);

    [LibraryImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool VirtualFree(nint address, nuint length, uint type);
}
