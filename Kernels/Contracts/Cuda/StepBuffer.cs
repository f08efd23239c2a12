using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>
/// Pinned memory and its twin on the device: what is put into the one is sent to the same place of the other. Steps that put
/// equal sizes in equal order find their data at equal addresses, as graphs need it.
/// </summary>
internal sealed unsafe class StepBuffer(CudaContext context, long bytes) : IDisposable
{
    private const int Alignment = 256;

    private readonly PinnedMemory _host = PinnedMemory.Allocate(context, bytes);
    private readonly CudaMemory _device = CudaMemory.Allocate(context, bytes);
    private long _used;
    private long _sent;

    public long Capacity => _host.Bytes;

    /// <summary>The device's first byte.</summary>
    public nint Address => _device.Address;

    /// <summary>Something was sent since the stream was last waited for.</summary>
    public bool IsInFlight { get; private set; }

    public bool TryPut(ReadOnlySpan<byte> data, out nint address)
    {
        address = 0;
        if (data.Length > Capacity - _used)
        {
            return false;
        }
        data.CopyTo(new Span<byte>(_host.Pointer + _used, data.Length));
        address = _device.Address + (nint)_used;
        _used = (_used + data.Length + Alignment - 1) & -Alignment;
        _used = Math.Min(_used, Capacity);
        return true;
    }

    public void Send(CudaStream stream)
    {
        if (_used > _sent)
        {
            stream.Upload(_device.Address + (nint)_sent, _host.Pointer + _sent, _used - _sent);
            _sent = _used;
            IsInFlight = true;
        }
    }

    /// <summary>The stream was waited for.</summary>
    public void Arrived() => IsInFlight = false;

    /// <summary>Begins at the front again; nothing may be in flight.</summary>
    public void Reset() => _used = _sent = 0;

    public void Dispose()
    {
        _device.Dispose();
        _host.Dispose();
    }
}
