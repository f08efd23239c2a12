using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Llama4Kernels.Interop.Memory;

/// <summary>
/// A regular file mapped read-only into memory. The pages are loaded on first touch and are the operating system's to
/// drop, so mapping a file larger than memory is fine.
/// </summary>
/// <remarks>
/// If another process truncates the file while it is mapped, touching the lost pages kills this process (SIGBUS); no
/// exception can be raised from there. <see cref="ThrowIfTruncated"/> narrows that window: call it before a long read.
/// </remarks>
public sealed unsafe partial class MappedFile : IDisposable
{
    private readonly SafeFileHandle _handle;
    private readonly MemoryMappedFile? _map;
    private readonly MemoryMappedViewAccessor? _view;
    private byte* _pointer;
    private bool _disposed;

    private MappedFile(string path, SafeFileHandle handle, long length)
    {
        Path = path;
        Length = length;
        _handle = handle;
        if (length == 0)
        {
            return; // The operating system refuses to map nothing.
        }
        _map = MemoryMappedFile.CreateFromFile(handle, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        try
        {
            _view = _map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
            _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _pointer);
        }
        catch
        {
            _view?.Dispose();
            _map.Dispose();
            throw;
        }
    }

    /// <summary>The path given to <see cref="Open"/>.</summary>
    public string Path { get; }

    /// <summary>Bytes of the file when it was opened.</summary>
    public long Length { get; }

    /// <summary>The first byte; null for an empty file. Valid until <see cref="Dispose"/>; no alignment promised beyond a page for offset 0.</summary>
    /// <exception cref="ObjectDisposedException">The map was disposed.</exception>
    public byte* Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _pointer;
        }
    }

    /// <summary>The mapping itself: who adds a reference to it may read until it gives that back, <see cref="Dispose"/> or not.</summary>
    /// <exception cref="ObjectDisposedException">The map was disposed, or the file is empty.</exception>
    public SafeHandle Memory
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed || _view is null, this);
            return _view.SafeMemoryMappedViewHandle;
        }
    }

    /// <summary>Maps a file.</summary>
    /// <param name="path">An existing regular file.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="IOException">It is a directory, pipe, socket or device, or it cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">Access is denied.</exception>
    public static MappedFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
        {
            throw new IOException($"'{path}' is a directory, not a file.");
        }
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"'{path}' does not exist.", path);
        }
        SafeFileHandle handle = OperatingSystem.IsWindows()
            ? File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read)
            : OpenWithoutWaiting(path);
        try
        {
            using (FileStream probe = new(new SafeFileHandle(handle.DangerousGetHandle(), ownsHandle: false), FileAccess.Read, 0))
            {
                if (!probe.CanSeek)
                {
                    throw new IOException($"'{path}' is a pipe or a socket, not a regular file.");
                }
            }
            return new MappedFile(path, handle, RandomAccess.GetLength(handle));
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Checks that the file still has the bytes that were mapped.</summary>
    /// <exception cref="IOException">The file became shorter: touching the lost pages would kill the process.</exception>
    /// <exception cref="ObjectDisposedException">The map was disposed.</exception>
    public void ThrowIfTruncated()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        long now = RandomAccess.GetLength(_handle);
        if (now < Length)
        {
            throw new IOException($"'{Path}' was truncated from {Length} to {now} bytes while it was in use.");
        }
    }

    /// <summary>
    /// Lets the operating system take back the whole pages within a range, which then count no longer as this process's memory.
    /// Touching them again loads them anew. Where the system has no such call, nothing happens.
    /// </summary>
    /// <param name="offset">First byte of the range.</param>
    /// <param name="bytes">Length of the range.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range is not inside the file.</exception>
    /// <exception cref="ObjectDisposedException">The map was disposed.</exception>
    public void GiveBack(long offset, long bytes)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, Length - offset);
        long page = Environment.SystemPageSize;
        long first = (offset + page - 1) / page * page, end = offset + bytes == Length ? Length : (offset + bytes) / page * page;
        if (end > first && (OperatingSystem.IsLinux() || OperatingSystem.IsMacOS()))
        {
            const int DontNeed = 4;
            _ = Advise(_pointer + first, (nuint)(end - first), DontNeed); // advice: a refusal costs memory, nothing else
        }
    }

    /// <summary>Unmaps the file. <see cref="Pointer"/> and every address derived from it become invalid.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }
        _disposed = true;
        if (_view is not null)
        {
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
        }
        _map?.Dispose();
        _handle.Dispose();
        _pointer = null;
    }

    // Opening a FIFO for reading waits for a writer, for ever if none comes; O_NONBLOCK returns at once and has no
    // effect on regular files.
    private static SafeFileHandle OpenWithoutWaiting(string path)
    {
        int flags = OperatingSystem.IsMacOS() ? 0x4 | 0x100_0000 : 0x800 | 0x8_0000;
        int descriptor = OpenFile(path, flags);
        if (descriptor < 0)
        {
            int error = Marshal.GetLastPInvokeError();
            string message = $"'{path}' cannot be opened: {Marshal.GetPInvokeErrorMessage(error)}.";
            const int AccessDenied = 13;
            throw error == AccessDenied ? new UnauthorizedAccessException(message) : new IOException(message);
        }
        return new SafeFileHandle(descriptor, ownsHandle: true);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenFile(string path, int flags);
}
