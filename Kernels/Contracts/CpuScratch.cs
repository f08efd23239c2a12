using System.Runtime.InteropServices;

namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// A native buffer that only grows: once the largest request has been seen, no call allocates. Contents do not survive
/// growth. Aligned to 64 bytes.
/// </summary>
internal sealed unsafe class CpuScratch : IDisposable
{
    private void* _memory;

    /// <summary>Bytes held.</summary>
    public long Capacity { get; private set; }

    /// <summary>At least <paramref name="bytes"/> bytes, with undefined contents.</summary>
    public byte* Require(long bytes)
    {
        if (bytes > Capacity)
        {
            NativeMemory.AlignedFree(_memory);
            _memory = null;
            Capacity = 0;
            _memory = NativeMemory.AlignedAlloc((nuint)bytes, 64);
            Capacity = bytes;
        }
        return (byte*)_memory;
    }

    /// <summary>Frees what was not disposed.</summary>
    ~CpuScratch() => NativeMemory.AlignedFree(_memory);

    /// <inheritdoc/>
    public void Dispose()
    {
        NativeMemory.AlignedFree(_memory);
        _memory = null;
        Capacity = 0;
        GC.SuppressFinalize(this);
    }
}
