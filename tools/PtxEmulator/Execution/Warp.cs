using System.Numerics;
using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>
/// 32 threads. Lanes that went apart at a branch are fragments, which meet again at joins; a fragment runs until it waits,
/// ends, or has used up its turn.
/// </summary>
internal sealed unsafe partial class Warp
{
    /// <summary>Instructions that lanes may spin while others of the warp wait at a join before these are let go.</summary>
    private const int SpinLimit = 200_000;
    private readonly List<Fragment> _fragments = [];
    private readonly FramePool _frames;
    private Fragment _current;
    private int _reconvergePc;
    private bool _stop;
    private int _spinning;
    private int _next;

    public Warp(Block block, int index, FramePool frames)
    {
        Block = block;
        Index = index;
        _frames = frames;
        int threads = Math.Min(32, block.Threads - (index * 32));
        Lanes = threads == 32 ? ~0u : (1u << threads) - 1;
        Local = new LocalMemory(block.Launch.LocalBytes);
        Dependent = block.Launch.Dependent;
        _current = new Fragment(frames.Take(block.Launch.Kernel.Function, this, 0, null), 0, Lanes, null);
        _fragments.Add(_current);
    }

    public Block Block { get; }

    /// <summary>The grid, if it may overlap others.</summary>
    private DependentGrid? Dependent { get; }

    public int Index { get; }

    /// <summary>Lanes that have a thread.</summary>
    public uint Lanes { get; }

    /// <summary>Lanes that have exited.</summary>
    public uint Exited { get; private set; }

    /// <summary>Registers of the running fragment's function.</summary>
    public byte* Registers { get; private set; }

    /// <summary>Active lanes of the instruction.</summary>
    public uint Mask { get; set; }

    /// <summary>The next instruction.</summary>
    public int Pc { get; set; }

    /// <summary>Instructions executed so far.</summary>
    public ulong Serial { get; private set; }

    public Step Running { get; private set; } = null!;

    public LocalMemory Local { get; }

    public AsyncCopies Copies { get; } = new();

    public bool IsDone => Exited == Lanes;

    public uint Alive => Lanes & ~Exited;

    public Frame Frame => _current.Frame;

    /// <summary>All lanes of the running fragment, whatever the guard says.</summary>
    public uint FragmentMask => _current.Mask;

    /// <summary>Lanes may come to aligned instructions apart: the emulator let some go early.</summary>
    public bool IsLoose { get; private set; }

    public void SetPredicate(int slot, uint value)
    {
        var p = (uint*)(Registers + slot);
        *p = (*p & ~Mask) | (value & Mask);
    }

    /// <summary>Runs up to a number of instructions; gives how many were left.</summary>
    public int Run(int budget)
    {
        while (budget > 0 && NextReady() is Fragment fragment)
        {
            budget = RunFragment(fragment, budget);
        }
        return budget;
    }

    public PtxFindingException Finding(PtxFindingKind kind, int lane, string message) =>
        new(new PtxFinding(kind, Block.Launch.Kernel.Name, Running.Line, Block.Position, (Index * 32) + lane, message));

    public PtxFindingException Finding(PtxFindingKind kind, string message) =>
        Finding(kind, BitOperations.TrailingZeroCount(Mask == 0 ? Lanes : Mask), message);

    /// <summary>An instruction marked <c>.uni</c> is not.</summary>
    public PtxFindingException NotUniform(string how) => Finding(PtxFindingKind.Divergence, $"{Running.Opcode} is marked .uni, but its lanes {how}.");

    /// <summary>What the lanes wait for, for the report of a deadlock.</summary>
    public string Describe()
    {
        IEnumerable<string> parts = _fragments.Select(f => $"lanes {f.Mask:x8} at {f.Waiting?.Opcode ?? "a join"} in line {f.Waiting?.Line ?? 0}");
        return $"warp {Index}: {string.Join(", ", parts)}";
    }

    /// <summary>The last instruction waited at, for the place of a deadlock.</summary>
    public Step? WaitingAt => _fragments.FirstOrDefault(f => f.Waiting is not null)?.Waiting;

    private Fragment? NextReady()
    {
        for (int i = 0; i < _fragments.Count; i++)
        {
            Fragment candidate = _fragments[(_next + i) % _fragments.Count];
            if (candidate.State == FragmentState.Ready)
            {
                _next = (_next + i) % _fragments.Count;
                return candidate;
            }
        }
        return null;
    }

    private int RunFragment(Fragment fragment, int budget)
    {
        Enter(fragment);
        Step[] code = fragment.Frame.Function.Code;
        BlockCounters counters = Block.Counters;
        long[] executions = counters.Executions(fragment.Frame.Function);
        long[] lanes = counters.Lanes(fragment.Frame.Function);
        int start = budget;
        while (budget > 0)
        {
            if (Pc == _reconvergePc)
            {
                Arrive(fragment);
                return budget;
            }
            Step step = code[Pc++];
            uint mask = fragment.Mask;
            budget--;
            Serial++;
            executions[step.Pc]++;
            if (step.Guard >= 0)
            {
                uint p = *(uint*)(Registers + step.Guard);
                mask &= step.GuardNegated ? ~p : p;
                if (mask == 0)
                {
                    continue;
                }
            }
            lanes[step.Pc] += BitOperations.PopCount(mask);
            Mask = mask;
            Running = step;
            if (step.Uniform && mask != fragment.Mask)
            {
                throw NotUniform($"are {fragment.Mask:x8}, and only {mask:x8} take it");
            }
            step.Execute(this);
            if (_stop)
            {
                return budget;
            }
        }
        fragment.Pc = Pc;
        _next++;
        Spin(start - budget);
        return budget;
    }

    private void Enter(Fragment fragment)
    {
        _current = fragment;
        _stop = false;
        Pc = fragment.Pc;
        Registers = fragment.Frame.Registers;
        _reconvergePc = fragment.Join is Join join && join.Frame == fragment.Frame ? join.Pc : -1;
    }

    /// <summary>Lanes that wait at a join may hold what the spinning ones want: after a long while they go on alone.</summary>
    private void Spin(int instructions)
    {
        _spinning += instructions;
        if (_spinning < SpinLimit)
        {
            return;
        }
        _spinning = 0;
        Loosen();
    }

    /// <summary>Lanes that wait at joins go on alone; false if there are none.</summary>
    public bool Loosen()
    {
        bool any = false;
        foreach (Join join in Joins().ToList())
        {
            if (join.Arrived != 0)
            {
                uint mask = join.Arrived;
                join.Expected &= ~mask;
                join.Arrived = 0;
                IsLoose = true;
                any = true;
                _fragments.Add(new Fragment(join.Frame, join.Pc, mask, join.Parent));
            }
        }
        return any;
    }

    private HashSet<Join> Joins()
    {
        var joins = new HashSet<Join>();
        foreach (Fragment fragment in _fragments)
        {
            for (Join? join = fragment.Join; join is not null && joins.Add(join); join = join.Parent)
            {
            }
        }
        return joins;
    }

    private void Leave(Fragment fragment)
    {
        _fragments.Remove(fragment);
        _stop = true;
        _spinning = 0;
    }

    private void Arrive(Fragment fragment)
    {
        Leave(fragment);
        fragment.Join!.Arrived |= fragment.Mask;
        Check(fragment.Join);
    }

    private void Check(Join join)
    {
        if (join.Arrived != 0 && join.Arrived == (join.Expected & ~Exited))
        {
            _fragments.Add(new Fragment(join.Frame, join.Pc, join.Arrived, join.Parent));
            join.Arrived = 0;
            join.Expected = 0;
        }
    }

    /// <summary>Some lanes go to <paramref name="target"/>, the rest of the fragment to the next instruction.</summary>
    public void Branch(int target, int reconvergence)
    {
        if (Mask == _current.Mask)
        {
            Pc = target;
            return;
        }
        Block.Counters.Memory(this).Divergent++;
        Split([(target, Mask), (Pc, _current.Mask & ~Mask)], reconvergence);
    }

    /// <summary>Replaces the running fragment by parts that meet again at the reconvergence point, -1 for none.</summary>
    public void Split(ReadOnlySpan<(int Pc, uint Mask)> parts, int reconvergence)
    {
        Fragment whole = _current;
        Join? join = whole.Join;
        if (reconvergence >= 0 && reconvergence != _reconvergePc)
        {
            join = new Join(reconvergence, whole.Frame, whole.Mask, whole.Join, isCall: false);
        }
        int spinning = _spinning;
        Leave(whole);
        _spinning = spinning;
        foreach ((int pc, uint mask) in parts)
        {
            if (mask != 0)
            {
                _fragments.Add(new Fragment(whole.Frame, pc, mask, join));
            }
        }
    }

    /// <summary>The active lanes end.</summary>
    public void Exit()
    {
        Fragment fragment = _current;
        uint mask = Mask;
        Exited |= mask;
        fragment.Pc = Pc;
        fragment.Mask &= ~mask;
        if (fragment.Mask == 0)
        {
            Leave(fragment);
        }
        foreach (Join join in Joins().Concat(Ancestors(fragment.Join)).Distinct().ToList())
        {
            Check(join);
        }
        Recheck();
        _stop = true;
        Block.ThreadsDone();
    }

    private static IEnumerable<Join> Ancestors(Join? join)
    {
        for (; join is not null; join = join.Parent)
        {
            yield return join;
        }
    }

    /// <summary>The active lanes enter a function; <paramref name="enter"/> copies the arguments into the new frame.</summary>
    public void Call(PtxFunction function, Action<Frame> enter)
    {
        Fragment caller = _current;
        uint mask = Mask;
        Frame from = caller.Frame;
        int localBase = from.LocalBase + (int)from.Function.Symbol.FrameSize;
        localBase = (localBase + 15) / 16 * 16;
        if (localBase + function.Symbol.FrameSize > Local.Bytes)
        {
            throw Finding(PtxFindingKind.OutOfBounds, $"The call of {function.Name} passes the end of the stack of {Local.Bytes} bytes.");
        }
        Frame frame = _frames.Take(function, this, localBase, from);
        enter(frame);
        int back = Pc;
        Join? outer = caller.Join;
        if (mask != caller.Mask)
        {
            // The lanes that do not call wait behind the call.
            outer = back == _reconvergePc ? caller.Join : new Join(back, from, caller.Mask, caller.Join, isCall: false);
            _fragments.Add(new Fragment(from, back, caller.Mask & ~mask, outer));
        }
        var join = new Join(back, from, mask, outer, isCall: true);
        Leave(caller);
        _fragments.Add(new Fragment(frame, 0, mask, join));
    }

    /// <summary>The active lanes leave the function, or end if it is the kernel.</summary>
    public void Return(Action<Frame, Frame> results)
    {
        Fragment fragment = _current;
        if (fragment.Frame.Caller is not Frame caller)
        {
            Exit();
            return;
        }
        results(fragment.Frame, caller);
        uint mask = Mask;
        fragment.Mask &= ~mask;
        fragment.Pc = Pc;
        if (fragment.Mask == 0)
        {
            Leave(fragment);
        }
        _stop = true;
        Join join = fragment.Join!;
        for (; !join.IsCall; join = join.Parent!)
        {
            join.Expected &= ~mask;
            Check(join);
        }
        join.Arrived |= mask;
        Check(join);
    }

    public void Release() => Local.Dispose();
}
