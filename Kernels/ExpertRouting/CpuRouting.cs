using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.ExpertRouting;

/// <summary>Routing in host memory: experts [maxRows, k] as int32, then scores [maxRows, k] as float32.</summary>
internal sealed unsafe class CpuRouting : Routing
{
    private readonly CpuMemory _memory;
    private int _rows;

    /// <summary>Space for <paramref name="maxRows"/> rows.</summary>
    public CpuRouting(int maxRows, int experts, int topK)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxRows);
        ArgumentOutOfRangeException.ThrowIfLessThan(experts, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(topK, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(topK, experts);
        MaxRows = maxRows;
        ExpertCount = experts;
        TopK = topK;
        _memory = new CpuMemory((long)maxRows * topK * (sizeof(int) + sizeof(float)));
    }

    /// <inheritdoc/>
    public override int TopK { get; }

    /// <inheritdoc/>
    public override int ExpertCount { get; }

    /// <inheritdoc/>
    public override int Rows => _rows;

    /// <inheritdoc/>
    public override ReadOnlySpan<int> Experts => new(ExpertPointer, _rows * TopK);

    /// <inheritdoc/>
    public override ReadOnlySpan<float> Scores => new(ScorePointer, _rows * TopK);

    /// <summary>Rows there is space for.</summary>
    public int MaxRows { get; }

    internal int* ExpertPointer => (int*)_memory.Address;

    internal float* ScorePointer => (float*)(ExpertPointer + (long)MaxRows * TopK);

    /// <inheritdoc/>
    public override void Dispose() => _memory.Dispose();

    internal void SetRows(int rows) => _rows = rows;
}
