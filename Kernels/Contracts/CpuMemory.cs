using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Memory;

namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// Host memory, zeroed, aligned to 256 bytes. The system supplies the pages of large memory when they are first touched, so
/// that what is never used costs address space only.
/// </summary>
internal sealed unsafe class CpuMemory : DeviceMemory
{
    private const int Alignment = 256;

    // Enough for the collector to finalise what nobody disposed; memory that is not touched yet must not make it collect all the time.
    private const long MostPressure = 256L << 20;

    private readonly long _pressure;
    private readonly nint _address;
    private void* _memory;

    /// <summary>Allocates <paramref name="bytes"/> bytes.</summary>
    public CpuMemory(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        _memory = NativeMemory.AllocZeroed((nuint)bytes + Alignment);
        // Caches are read from end to end in every step.
        HugePages.Advise((nint)_memory, bytes);
        _address = ((nint)_memory + Alignment - 1) & -Alignment;
        Length = bytes;
        _pressure = Math.Clamp(bytes, 1, MostPressure);
        GC.AddMemoryPressure(_pressure);
    }

    /// <summary>Frees what was not disposed.</summary>
    ~CpuMemory() => Free();

    /// <inheritdoc/>
    public override nint Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(_memory is null, this);
            return _address;
        }
    }

    /// <inheritdoc/>
    public override MemoryPlace Place => MemoryPlace.Host;

    /// <inheritdoc/>
    public override long Length { get; }

    /// <inheritdoc/>
    public override void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_memory is not null)
        {
            NativeMemory.Free(_memory);
            _memory = null;
            GC.RemoveMemoryPressure(_pressure);
        }
    }
}
