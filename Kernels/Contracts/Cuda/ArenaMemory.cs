using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>A part of a queue's arena.</summary>
internal sealed class ArenaMemory : DeviceMemory
{
    private readonly CudaQueue _queue;
    private readonly nint _address;
    private bool _disposed;

    public ArenaMemory(CudaQueue queue, nint address, long bytes)
    {
        _queue = queue;
        _address = address;
        Length = bytes;
    }

    /// <inheritdoc/>
    public override nint Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _address;
        }
    }

    /// <inheritdoc/>
    public override MemoryPlace Place => MemoryPlace.Device;

    /// <inheritdoc/>
    public override long Length { get; }

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _queue.Return(_address, Length);
        }
    }
}

/// <summary>Device memory that only grows; contents do not survive growth.</summary>
internal sealed class CudaScratch(CudaQueue queue) : IDisposable
{
    private ArenaMemory? _memory;

    public nint Require(long bytes)
    {
        if (_memory is null || _memory.Length < bytes)
        {
            _memory?.Dispose();
            _memory = queue.Allocate(bytes);
        }
        return _memory.Address;
    }

    /// <summary>A float32 tensor over the scratch.</summary>
    public Tensor Require(int rows, int columns) => new(Require((long)rows * columns * sizeof(float)), rows, columns, ElementType.F32, MemoryPlace.Device);

    public void Dispose() => _memory?.Dispose();
}
