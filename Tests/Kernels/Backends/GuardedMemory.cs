using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Tests.Kernels.Backends;

/// <summary>
/// Memory that ends exactly at an inaccessible page: a kernel that reads or writes one element too far crashes the test run
/// instead of passing by luck.
/// </summary>
internal sealed unsafe partial class GuardedMemory : DeviceMemory
{
    private const int PageBytes = 4096;

    private readonly nint _start;
    private readonly nuint _mapped;

    public GuardedMemory(long bytes)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Guard pages are mapped by Linux calls here.");
        long pages = (bytes + PageBytes - 1) / PageBytes;
        _mapped = (nuint)((pages + 1) * PageBytes);
        _start = Map(0, _mapped, protection: 3, flags: 0x22, file: -1, offset: 0);
        Assert.NotEqual(-1, _start);
        Assert.Equal(0, Protect(_start + (nint)(pages * PageBytes), PageBytes, protection: 0));
        Address = _start + (nint)(pages * PageBytes - bytes);
        Length = bytes;
    }

    /// <summary>First byte; the last one is followed by the guard page.</summary>
    public override nint Address { get; }

    public override MemoryPlace Place => MemoryPlace.Host;

    public override long Length { get; }

    public override void Dispose() => _ = Unmap(_start, _mapped);

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint length);
}
