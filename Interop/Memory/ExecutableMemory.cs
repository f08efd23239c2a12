using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Memory;

/// <summary>
/// Machine code in pages of its own. The pages are written first and then made readable and executable, never writable
/// and executable at once. Dispose frees them; no call into the code may then be running.
/// </summary>
public sealed unsafe class ExecutableMemory : IDisposable
{
    private const int ProtRead = 1, ProtWrite = 2, ProtExec = 4, MapPrivate = 2, MapAnonymousLinux = 0x20;
    private const uint MemCommitReserve = 0x3000, MemRelease = 0x8000, PageReadWrite = 0x04, PageExecuteRead = 0x20;

    private nint _address;

    /// <summary>Copies <paramref name="code"/> to fresh pages and makes them executable.</summary>
    /// <param name="code">Position-independent machine code of this processor, at least one byte.</param>
    /// <exception cref="ArgumentException"><paramref name="code"/> is empty.</exception>
    /// <exception cref="ExecutableMemoryException">The system refused, or is neither Linux nor Windows.</exception>
    public ExecutableMemory(ReadOnlySpan<byte> code)
    {
        if (code.IsEmpty)
        {
            throw new ArgumentException("There is no code to make executable.", nameof(code));
        }
        Length = (nuint)code.Length;
        if (OperatingSystem.IsLinux())
        {
            _address = Map(code);
        }
        else if (OperatingSystem.IsWindows())
        {
            _address = Allocate(code);
        }
        else
        {
            throw new ExecutableMemoryException("Executable memory is supported on Linux and Windows only.");
        }
    }

    /// <summary>Address of the first instruction.</summary>
    /// <exception cref="ObjectDisposedException">The memory was freed.</exception>
    public nint Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(_address == 0, this);
            return _address;
        }
    }

    /// <summary>Bytes of code.</summary>
    public nuint Length { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        nint address = Interlocked.Exchange(ref _address, 0);
        if (address == 0)
        {
            return;
        }
        if (OperatingSystem.IsLinux())
        {
            _ = munmap(address, Length);
        }
        else
        {
            _ = VirtualFree(address, 0, MemRelease);
        }
    }

    private static nint Map(ReadOnlySpan<byte> code)
    {
        nint address = mmap(0, (nuint)code.Length, ProtRead | ProtWrite, MapPrivate | MapAnonymousLinux, -1, 0);
        if (address == -1)
        {
            throw new ExecutableMemoryException($"mmap of {code.Length} bytes failed with error {Marshal.GetLastPInvokeError()}.");
        }
        code.CopyTo(new Span<byte>((void*)address, code.Length));
        if (mprotect(address, (nuint)code.Length, ProtRead | ProtExec) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            _ = munmap(address, (nuint)code.Length);
            throw new ExecutableMemoryException($"mprotect to read and execute failed with error {error}.");
        }
        return address;
    }

    private static nint Allocate(ReadOnlySpan<byte> code)
    {
        nint address = VirtualAlloc(0, (nuint)code.Length, MemCommitReserve, PageReadWrite);
        if (address == 0)
        {
            throw new ExecutableMemoryException($"VirtualAlloc of {code.Length} bytes failed with error {Marshal.GetLastPInvokeError()}.");
        }
        code.CopyTo(new Span<byte>((void*)address, code.Length));
        if (VirtualProtect(address, (nuint)code.Length, PageExecuteRead, out _) == 0)
        {
            int error = Marshal.GetLastPInvokeError();
            _ = VirtualFree(address, 0, MemRelease);
            throw new ExecutableMemoryException($"VirtualProtect to read and execute failed with error {error}.");
        }
        return address;
    }

    [DllImport("libc", SetLastError = true)]
    private static extern nint mmap(nint address, nuint length, int protection, int flags, int file, nint offset);

    [DllImport("libc", SetLastError = true)]
    private static extern int mprotect(nint address, nuint length, int protection);

    [DllImport("libc", SetLastError = true)]
    private static extern int munmap(nint address, nuint length);

    [DllImport("kernel32", SetLastError = true)]
    private static extern nint VirtualAlloc(nint address, nuint length, uint type, uint protection);

    [DllImport("kernel32", SetLastError = true)]
    private static extern int VirtualProtect(nint address, nuint length, uint protection, out uint old);

    [DllImport("kernel32", SetLastError = true)]
    private static extern int VirtualFree(nint address, nuint length, uint type);
}
