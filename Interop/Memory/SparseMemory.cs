using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Memory;

/// <summary>
/// Zeroed memory that takes the machine's own only where it is touched, so that it may be many times larger. Windows has no such
/// memory: there it must find room for all of it.
/// </summary>
public sealed class SparseMemory : SafeHandle
{
    private SparseMemory(nint address, long length)
        : base(0, ownsHandle: true)
    {
        Length = length;
        SetHandle(address);
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle is 0 or -1;

    /// <summary>First byte, aligned to a page.</summary>
    public nint Address => handle;

    /// <summary>Bytes.</summary>
    public long Length { get; }

    /// <summary>Takes address space.</summary>
    /// <param name="bytes">How many bytes.</param>
    /// <exception cref="OutOfMemoryException">The system has no address space left, or on Windows no room.</exception>
    public static SparseMemory Allocate(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        nint address = SystemMemory.Allocate((nuint)bytes, isSparse: true);
        return address is 0 or -1
            ? throw new OutOfMemoryException($"The system does not give {bytes} bytes of address space (error {Marshal.GetLastPInvokeError()}).")
            : new SparseMemory(address, bytes);
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => SystemMemory.Free(handle, (nuint)Length);
}
