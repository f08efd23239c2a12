using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.ExpertRouting;

/// <summary>
/// Routing on the device: what the router chose, and where its rows go in the order of experts. The host sees it by a
/// download, which waits.
/// </summary>
internal sealed class CudaRouting : Routing
{
    private const int Align = 256;

    private readonly CudaQueue _queue;
    private readonly ArenaMemory _memory;
    private readonly long _slotBytes;
    private int _rows;

    public CudaRouting(CudaQueue queue, int maxRows, int experts, int topK)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxRows);
        ArgumentOutOfRangeException.ThrowIfLessThan(experts, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(topK, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(topK, experts);
        _queue = queue;
        (MaxRows, ExpertCount, TopK) = (maxRows, experts, topK);
        _slotBytes = ((long)maxRows * topK * sizeof(int) + Align - 1) & -Align;
        _memory = queue.Allocate(5 * _slotBytes + (experts + 1) * sizeof(int));
    }

    /// <inheritdoc/>
    public override int TopK { get; }

    /// <inheritdoc/>
    public override int ExpertCount { get; }

    /// <inheritdoc/>
    public override int Rows => _rows;

    /// <summary>Rows there is space for.</summary>
    public int MaxRows { get; }

    /// <summary>Slots filled by the last routing: Rows · k.</summary>
    public int Slots => _rows * TopK;

    /// <inheritdoc/>
    public override ReadOnlySpan<int> Experts => Read<int>(ExpertAddress);

    /// <inheritdoc/>
    public override ReadOnlySpan<float> Scores => Read<float>(ScoreAddress);

    /// <summary>[Rows, k] int32</summary>
    public nint ExpertAddress => _memory.Address;

    /// <summary>[Rows, k] float32</summary>
    public nint ScoreAddress => Part(1);

    /// <summary>[slots] int32: sorted row → slot</summary>
    public nint OrderAddress => Part(2);

    /// <summary>[slots] int32: slot → sorted row</summary>
    public nint InverseAddress => Part(3);

    /// <summary>[slots] int32: expert of a sorted row</summary>
    public nint RowExpertAddress => Part(4);

    /// <summary>[E + 1] int32: first sorted row of each expert</summary>
    public nint StartAddress => Part(5);

    /// <summary>The routing behind an interface.</summary>
    /// <exception cref="ArgumentException">It is another backend's.</exception>
    public static CudaRouting Require(Routing routing) => routing as CudaRouting
        ?? throw new ArgumentException($"The routing is a {routing.GetType().Name}; make it with this backend's CreateRouting.", nameof(routing));

    /// <inheritdoc/>
    public override void Dispose() => _memory.Dispose();

    internal void SetRows(int rows) => _rows = rows;

    private nint Part(int index) => _memory.Address + (nint)(index * _slotBytes);

    private T[] Read<T>(nint address)
        where T : unmanaged
    {
        var values = new T[Slots];
        _queue.Download(address, MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }
}
