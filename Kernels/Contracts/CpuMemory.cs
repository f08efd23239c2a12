using System.Runtime.InteropServices;

namespace Llama4Kernels.Kernels.Contracts;

/// <summary>Host memory, zeroed, aligned to 64 bytes.</summary>
internal sealed unsafe class CpuMemory : DeviceMemory
{
    private void* _memory;

    /// <summary>Allocates <paramref name="bytes"/> bytes.</summary>
    public CpuMemory(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        _memory = NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 64), 64);
        NativeMemory.Clear(_memory, (nuint)bytes);
        Length = bytes;
        GC.AddMemoryPressure(Math.Max(bytes, 1));
    }

    /// <summary>Frees what was not disposed.</summary>
    ~CpuMemory() => Free();

    /// <inheritdoc/>
    public override nint Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(_memory is null, this);
            return (nint)_memory;
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
            NativeMemory.AlignedFree(_memory);
            _memory = null;
            GC.RemoveMemoryPressure(Math.Max(Length, 1));
        }
    }
}
