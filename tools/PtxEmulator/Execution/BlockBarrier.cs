namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>One of the sixteen barriers of a block.</summary>
internal sealed class BlockBarrier
{
    private readonly List<(Warp Warp, Fragment Fragment, Action<Warp, uint>? Complete)> _waiting = [];
    private uint[]? _clock;
    private int _arrived;

    /// <summary>Threads that the arrivals so far want, or 0 for all that live.</summary>
    public int Expected { get; private set; }

    public bool IsInUse => _arrived > 0;

    /// <summary>Threads whose predicate was true, for bar.red.</summary>
    public int TrueCount { get; private set; }

    /// <summary>Threads that took part in the reduction.</summary>
    public int ReductionCount { get; private set; }

    public void Arrive(Warp warp, int expected, int threads)
    {
        warp.Block.Shadow.Release(warp, ref _clock);
        Expected = expected;
        _arrived += threads;
    }

    public void Reduce(int trueThreads, int threads)
    {
        TrueCount += trueThreads;
        ReductionCount += threads;
    }

    public void Wait(Warp warp, Fragment fragment, Action<Warp, uint>? complete) => _waiting.Add((warp, fragment, complete));

    /// <summary>Opens the barrier if all are there.</summary>
    public void Check(int alive)
    {
        if (_arrived == 0 || _arrived < (Expected == 0 ? alive : Expected))
        {
            return;
        }
        foreach ((Warp warp, Fragment fragment, Action<Warp, uint>? complete) in _waiting)
        {
            warp.Block.Shadow.Acquire(warp, _clock);
            warp.Wake(fragment, complete);
        }
        _waiting.Clear();
        _arrived = 0;
        _clock = null;
        TrueCount = 0;
        ReductionCount = 0;
    }
}
