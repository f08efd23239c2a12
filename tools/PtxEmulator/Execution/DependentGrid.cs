using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>
/// A grid among those that may run beside each other under programmatic dependent launch. It may start when every block of
/// its predecessor executed griddepcontrol.launch_dependents or ended; until one of its own threads has executed
/// griddepcontrol.wait, nothing orders it with the predecessor, nor with what that one may have overtaken itself.
/// </summary>
/// <param name="kernel">Name of the kernel, for messages.</param>
/// <param name="blocks">Number of its blocks.</param>
/// <param name="predecessor">The grid before it in its stream, if it was launched to overlap it.</param>
internal sealed class DependentGrid(string kernel, long blocks, DependentGrid? predecessor) : IDisposable
{
    private readonly GridAccess _all = new();
    private readonly GridAccess _unordered = new();
    private readonly Lock _gate = new();
    private IReadOnlyList<DependentGrid>? _before;
    private volatile DependentGrid[] _after = [];
    private long _untriggered = blocks;
    private long _unfinished = blocks;
    private volatile bool _waited;
    private volatile bool _triggeredInOrder;

    public string Kernel { get; } = kernel;

    /// <summary>All blocks ended, and what they wrote is visible.</summary>
    public bool IsComplete => Volatile.Read(ref _unfinished) == 0;

    /// <summary>Whether blocks may start.</summary>
    public bool MayStart => predecessor is null || Volatile.Read(ref predecessor._untriggered) == 0;

    /// <summary>Whether griddepcontrol.wait lets go.</summary>
    public bool MayPass => predecessor is null || predecessor.IsComplete;

    /// <summary>Grids that may still run when this one starts, the latest first. Asked for when it may start.</summary>
    private IReadOnlyList<DependentGrid> Before
    {
        get
        {
            lock (_gate)
            {
                if (_before is null)
                {
                    // A block that triggered behind its wait proves that everything before has ended.
                    _before = predecessor is null ? [] : predecessor._triggeredInOrder ? [predecessor] : [predecessor, .. predecessor.Before.Take(Driver.OverlapHistory.MostGrids - 1)];
                    foreach (DependentGrid grid in _before.Where(grid => !grid.IsComplete))
                    {
                        lock (grid._gate)
                        {
                            grid._after = [.. grid._after, this];
                        }
                    }
                }
                return _before;
            }
        }
    }

    /// <summary>The predecessor's bytes, as if a kernel had written them: for a launch whose predecessor does not exist.</summary>
    public static DependentGrid Complete(string kernel) => new(kernel, 0, null);

    /// <summary>Marks bytes as written by this grid.</summary>
    public void MarkWritten(Allocation allocation, nint address, int bytes) => _all.Mark(allocation, address, bytes, Access.Write);

    /// <summary>A block executed its first launch_dependents, or ended without one.</summary>
    /// <param name="waited">Whether one of its threads has passed its wait.</param>
    public void Trigger(bool waited)
    {
        if (waited)
        {
            _triggeredInOrder = true;
        }
        Interlocked.Decrement(ref _untriggered);
    }

    /// <summary>A thread passed its wait.</summary>
    public void Waited() => _waited = true;

    /// <summary>A block ended.</summary>
    public void BlockDone() => Interlocked.Decrement(ref _unfinished);

    /// <summary>How many grids, this one included, the next may run beside; at most <paramref name="most"/>.</summary>
    public int Reach(int most) => _triggeredInOrder ? 1 : Math.Min(most, 1 + Before.Count);

    /// <summary>Checks an access to global memory against the grids that may run at the same time.</summary>
    /// <param name="warp">Who.</param>
    /// <param name="lane">Its lane.</param>
    /// <param name="allocation">The allocation.</param>
    /// <param name="address">First byte.</param>
    /// <param name="bytes">How many.</param>
    /// <param name="access">Read or write.</param>
    public void Check(Warp warp, int lane, Allocation allocation, nint address, int bytes, Access access)
    {
        IReadOnlyList<DependentGrid> before = Before;
        bool early = before.Count > 0 && !warp.IsBehindGridWait(lane);
        // The wait is for the predecessor; it covers those before only if that one waited itself.
        int first = early ? 0 : before.Count > 1 && !before[0]._waited ? 1 : before.Count;
        _all.Mark(allocation, address, bytes, access);
        if (first < before.Count)
        {
            _unordered.Mark(allocation, address, bytes, access);
        }
        if (first == before.Count && _after.Length == 0)
        {
            return;
        }
        // Each of two grids that run at once marks first and looks then: one of them sees the other.
        Interlocked.MemoryBarrier();
        for (int i = first; i < before.Count; i++)
        {
            if (Conflict(before[i]._all.Of(allocation, address, bytes), access) is string did)
            {
                throw warp.Finding(PtxFindingKind.MissingWait, lane,
                    $"{warp.Running.Opcode} {Does(access)} {bytes} bytes at offset {address - allocation.Start} of an allocation of {allocation.Bytes} that {before[i].Kernel}, launched before, {did}; "
                    + (early ? "griddepcontrol.wait must come first." : $"griddepcontrol.wait covers {before[0].Kernel} only, which did not wait itself."));
            }
        }
        foreach (DependentGrid later in _after)
        {
            if (Conflict(later._unordered.Of(allocation, address, bytes), access) is string did)
            {
                throw warp.Finding(PtxFindingKind.MissingWait, lane,
                    $"{warp.Running.Opcode} {Does(access)} {bytes} bytes at offset {address - allocation.Start} of an allocation of {allocation.Bytes} that {later.Kernel}, which overlaps it, {did} before its griddepcontrol.wait.");
            }
        }
    }

    public void Dispose()
    {
        _all.Dispose();
        _unordered.Dispose();
    }

    private static string? Conflict(Access other, Access own) =>
        (other & Access.Write) != 0 ? own == Access.Write ? "writes too" : "writes"
        : own == Access.Write && (other & Access.Read) != 0 ? "reads"
        : null;

    private static string Does(Access access) => access == Access.Write ? "writes" : "reads";
}
