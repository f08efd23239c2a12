using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Memory;

/// <summary>
/// Machine code in memory that is written first and executable afterwards, never both at once (W^X).
/// </summary>
public sealed unsafe partial class ExecutableMemory : SafeHandle
{
    private const int ProtRead = 1, ProtWrite = 2, ProtExec = 4;
    private const int MapPrivate = 2, MapAnonymousLinux = 0x20, MapAnonymousMac = 0x1000;
    private const uint MemCommitReserve = 0x3000, MemRelease = 0x8000, PageReadWrite = 4, PageExecuteRead = 0x20;

    private readonly nuint _length;

    private ExecutableMemory(nint address, nuint length)
        : base(0, ownsHandle: true)
    {
        _length = length;
        SetHandle(address);
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle is 0 or -1;

    /// <summary>Address of the first instruction.</summary>
    public nint Address => handle;

    /// <summary>Copies position-independent code into executable memory.</summary>
    /// <exception cref="PlatformNotSupportedException">The system refuses executable memory; the message says at which step.</exception>
    public static ExecutableMemory Create(ReadOnlySpan<byte> code)
    {
        nuint length = (nuint)code.Length;
        nint address = OperatingSystem.IsWindows()
            ? VirtualAlloc(0, length, MemCommitReserve, PageReadWrite)
            : Map(0, length, ProtRead | ProtWrite, MapPrivate | (OperatingSystem.IsMacOS() ? MapAnonymousMac : MapAnonymousLinux), -1, 0);
        if (address is 0 or -1)
        {
            throw new PlatformNotSupportedException($"The system gives no memory for generated code (error {Marshal.GetLastPInvokeError()}).");
        }
        var memory = new ExecutableMemory(address, length);
        code.CopyTo(new Span<byte>((void*)address, code.Length));
        bool done = OperatingSystem.IsWindows()
            ? VirtualProtect(address, length, PageExecuteRead, out _)
            : Protect(address, length, ProtRead | ProtExec) == 0;
        if (!done)
        {
            int error = Marshal.GetLastPInvokeError();
            memory.Dispose();
            throw new PlatformNotSupportedException($"The system does not let generated code become executable (error {error}).");
        }
        return memory;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() =>
        OperatingSystem.IsWindows() ? VirtualFree(handle, 0, MemRelease) : Unmap(handle, _length) == 0;

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int Protect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(nint address, nuint length);

    [LibraryImport("kernel32", SetLastError = true)]
    private static partial nint VirtualAlloc(nint address, nuint length, uint type, uint protection);

    [LibraryImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool VirtualProtect(nint address, nuint length, uint protection, out uint previous);

    [LibraryImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool VirtualFree(nint address, nuint length, uint type);
}
