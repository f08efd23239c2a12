using System.Numerics;
using System.Runtime.InteropServices;
using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>A thread block: its warps, shared memory and barriers. One worker runs it at a time.</summary>
internal sealed unsafe class Block : IDisposable
{
    private const int Turn = 4096;
    private readonly Warp[] _warps;
    private readonly BlockBarrier[] _barriers = new BlockBarrier[16];
    private readonly Random? _random;
    private long _executed;
    private bool _triggered;
    private int _polls;

    public Block(LaunchState launch, long number, int gridIndex, FramePool frames, BlockCounters counters)
    {
        Launch = launch;
        Number = number;
        GridIndex = gridIndex;
        Counters = counters;
        Footprint = counters.Footprint is null ? null : new Footprint();
        Position = ((int)(number % launch.Grid.X), (int)(number / launch.Grid.X % launch.Grid.Y), (int)(number / launch.Grid.X / launch.Grid.Y));
        Threads = (int)launch.Block.Count;
        SharedBytes = launch.SharedBytes;
        Shared = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(SharedBytes, 16), 1024);
        new Span<byte>(Shared, SharedBytes).Fill(0xFF);
        int warps = (Threads + 31) / 32;
        Shadow = new SharedShadow(this, SharedBytes, launch.Kernel.Grain, warps);
        for (int i = 0; i < _barriers.Length; i++)
        {
            _barriers[i] = new BlockBarrier();
        }
        _warps = new Warp[warps];
        for (int i = 0; i < warps; i++)
        {
            _warps[i] = new Warp(this, i, frames);
        }
        if (launch.Options.Seed != 0)
        {
            _random = new Random(HashCode.Combine(launch.Options.Seed, number));
        }
    }

    public LaunchState Launch { get; }

    public long Number { get; }

    /// <summary>Which of the launch's grids it belongs to.</summary>
    public int GridIndex { get; }

    public (int X, int Y, int Z) Position { get; }

    public int Threads { get; }

    public byte* Shared { get; }

    public int SharedBytes { get; }

    public SharedShadow Shadow { get; }

    public MemoryBarriers MemoryBarriers { get; } = new();

    public BlockCounters Counters { get; }

    /// <summary>The sectors that it touches, if they are noted.</summary>
    public Footprint? Footprint { get; }

    public bool IsDone { get; private set; }

    /// <summary>All its threads that could go on wait for the grids before.</summary>
    public bool IsStalled { get; private set; }

    public BlockBarrier Barrier(int id) => _barriers[id];

    public int AliveThreads => _warps.Sum(warp => BitOperations.PopCount(warp.Alive));

    /// <summary>Runs the block for about so many instructions, or to its end.</summary>
    public void Run(int budget)
    {
        int start = budget;
        _polls = 0;
        IsStalled = false;
        // A block that mostly polls waits for another one, which this core may have.
        while (!IsDone && budget > 0 && (_polls < Turn || _polls * 6L < start - budget))
        {
            int before = budget;
            WakeBehindGrid();
            if (_random is not null)
            {
                _random.Shuffle(_warps);
            }
            foreach (Warp warp in _warps)
            {
                if (!warp.IsDone)
                {
                    int turn = _random?.Next(1, 64) ?? Turn;
                    budget -= turn - warp.Run(turn);
                }
            }
            IsDone = _warps.All(warp => warp.IsDone);
            _executed += before - budget;
            if (before == budget && !IsDone && _warps.Any(warp => warp.WaitsForGrid))
            {
                // The grid before has blocks that go on meanwhile.
                IsStalled = true;
                return;
            }
            if (before == budget && !IsDone && _warps.Count(warp => !warp.IsDone && warp.Loosen()) == 0)
            {
                throw Deadlock("No thread can go on");
            }
            if (_executed > Launch.Options.InstructionLimit)
            {
                throw Deadlock($"The block executed {_executed} instructions without an end");
            }
        }
    }

    /// <summary>The next grid may start as far as this block goes; only the first time counts.</summary>
    public void Trigger()
    {
        if (!_triggered)
        {
            _triggered = true;
            Launch.Dependent?.Trigger(Shadow.AnyPassedGrid);
        }
    }

    /// <summary>All its threads ended.</summary>
    public void End()
    {
        Trigger();
        Launch.Dependent?.BlockDone();
        if (Footprint is not null)
        {
            Counters.Footprint!.Add(Footprint);
        }
    }

    /// <summary>A warp executed an access with which it may wait for other blocks.</summary>
    public void Poll() => _polls++;

    /// <summary>Threads ended: barriers that wait for all may open.</summary>
    public void ThreadsDone()
    {
        int alive = AliveThreads;
        foreach (BlockBarrier barrier in _barriers)
        {
            if (barrier.IsInUse && barrier.Expected == 0 && alive > 0)
            {
                barrier.Check(alive);
            }
        }
    }

    private void WakeBehindGrid()
    {
        if (Launch.Dependent is DependentGrid grid && grid.MayPass)
        {
            foreach (Warp warp in _warps)
            {
                if (warp.WaitsForGrid)
                {
                    warp.WakeBehindGrid(grid);
                }
            }
        }
    }

    private PtxFindingException Deadlock(string what)
    {
        Warp first = _warps.First(warp => !warp.IsDone);
        string waiting = string.Join("; ", _warps.Where(warp => !warp.IsDone).Take(8).Select(warp => warp.Describe()));
        int line = first.WaitingAt?.Line ?? first.Running.Line;
        return new PtxFindingException(new PtxFinding(PtxFindingKind.Deadlock, Launch.Kernel.Name, line, Position, first.Index * 32, $"{what}: {waiting}."));
    }

    public void Dispose()
    {
        foreach (Warp warp in _warps)
        {
            warp.Release();
        }
        NativeMemory.AlignedFree(Shared);
    }
}
