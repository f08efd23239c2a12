namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>Gives out the blocks of grids that may overlap: those of the next grid only when it may start.</summary>
internal sealed class BlockQueue(LaunchState[] chain)
{
    private readonly Lock _gate = new();
    private int _grid;
    private long _number;

    /// <summary>The next block that may start; false if there is none now.</summary>
    public bool TryTake(out int grid, out long number)
    {
        lock (_gate)
        {
            while (_grid < chain.Length && _number == chain[_grid].BlockCount)
            {
                _grid++;
                _number = 0;
            }
            (grid, number) = (_grid, 0);
            if (_grid == chain.Length || chain[_grid].Dependent is { MayStart: false })
            {
                return false;
            }
            number = chain[_grid].BlockNumber(_number++);
            return true;
        }
    }

    /// <summary>Every block has been given out.</summary>
    public bool IsEmpty
    {
        get
        {
            lock (_gate)
            {
                return _grid >= chain.Length || (_grid == chain.Length - 1 && _number == chain[_grid].BlockCount);
            }
        }
    }
}

/// <summary>One of the host's threads that run the blocks of a launch.</summary>
internal sealed class LaunchWorker(LaunchState[] chain, BlockQueue queue, int number)
{
    private const int Slice = 4_000_000;

    /// <summary>Most instructions of a block's turn while grids overlap.</summary>
    private const int OverlapSlice = 2048;

    private readonly LaunchOptions _options = chain[0].Options;
    private readonly Random? _random = chain.Length > 1 && chain[0].Options.Seed != 0 ? new Random(HashCode.Combine(chain[0].Options.Seed, number)) : null;
    private readonly List<Block> _live = [];

    /// <summary>What was counted, for each grid.</summary>
    public BlockCounters[] Counters { get; } = [.. chain.Select(launch => new BlockCounters(launch.Options.CountFootprint))];

    /// <summary>Runs blocks until there are no more, or something went wrong elsewhere.</summary>
    public void Run(Func<bool> stop)
    {
        using var frames = new FramePool();
        try
        {
            while (!stop())
            {
                if (_live.Count < _options.ResidentBlocks && (_live.Count == 0 || _random is null || _random.Next(2) == 0) && queue.TryTake(out int grid, out long block))
                {
                    _live.Add(new Block(chain[grid], block, grid, frames, Counters[grid]));
                }
                if (_live.Count == 0)
                {
                    if (queue.IsEmpty)
                    {
                        return;
                    }
                    Thread.Yield();
                    continue;
                }
                int turn = chain.Length == 1 ? 0 : Choose();
                if (turn < 0)
                {
                    // All that this thread has wait for blocks that others run.
                    Thread.Yield();
                    continue;
                }
                Run(turn, frames);
            }
        }
        finally
        {
            foreach (Block block in _live)
            {
                block.Dispose();
            }
        }
    }

    private void Run(int turn, FramePool frames)
    {
        Block block = _live[turn];
        _live.RemoveAt(turn);
        _live.Add(block);
        block.Run(chain.Length == 1 ? Slice : _random?.Next(1, OverlapSlice) ?? OverlapSlice);
        if (!block.IsDone)
        {
            return;
        }
        _live.RemoveAt(_live.Count - 1);
        block.End();
        block.Dispose();
        if (_live.Count == 0)
        {
            frames.Recycle();
        }
    }

    /// <summary>A block that can go on, or -1: without a seed one of the latest grid, so that it is as early as can be.</summary>
    private int Choose()
    {
        int chosen = -1, able = 0;
        for (int i = 0; i < _live.Count; i++)
        {
            if (_live[i].IsStalled && !_live[i].Launch.Dependent!.MayPass)
            {
                continue;
            }
            able++;
            if (_random is not null ? _random.Next(able) == 0 : chosen < 0 || _live[i].GridIndex > _live[chosen].GridIndex)
            {
                chosen = i;
            }
        }
        return chosen;
    }
}
